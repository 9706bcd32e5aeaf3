package engine

import (
	"testing"
	"unsafe"
)

// An idle connection is this, its place in a table, and what the kernel has.
func TestConnSize(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 288 {
		t.Errorf("Conn has grown to %d bytes; 288 is a size class of the allocator, and the next is 320", size)
	}
	// A Conn that serves requests, or has a handler of its own, has this as well.
	if size := unsafe.Sizeof(extra{}); size > 32 {
		t.Errorf("extra has grown to %d bytes; 32 is a size class of the allocator, and the next is 48", size)
	}
	if size := unsafe.Sizeof(exchange{}); size > 64 {
		t.Errorf("exchange has grown to %d bytes; 64 is a size class of the allocator, and the next is 80", size)
	}
}
