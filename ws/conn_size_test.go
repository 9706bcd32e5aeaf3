//go:build !js

package ws

import (
	"testing"
	"unsafe"
)

// A Conn is what most idle connections of a program consist of, beside their
// goroutines: one byte more than 512 makes each of them 64 bytes larger.
func TestConnFitsItsSizeClass(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 512 {
		t.Errorf("a Conn has %d bytes", size)
	}
}
