package transport

import (
	"testing"
	"unsafe"
)

// An idle connection is its carrier, besides what the engine and the hub have.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(exchangeCarrier{}); size > 128 {
		t.Errorf("exchangeCarrier has grown to %d bytes; 128 is a size class of the allocator, and the next is 144", size)
	}
	// A session that outlives its carrier has these as well; clients that nothing is asked
	// about have no question.
	// The dialect is what ExportSessions needs to know of a session that is in use.
	if size := unsafe.Sizeof(seat{}); size > 144 {
		t.Errorf("seat has grown to %d bytes; 144 is a size class of the allocator, and the next is 160", size)
	}
	if size := unsafe.Sizeof(visitor{}); size > 112 {
		t.Errorf("visitor has grown to %d bytes; 112 is a size class of the allocator, and the next is 128", size)
	}
	if size := unsafe.Sizeof(question{}); size > 80 {
		t.Errorf("question has grown to %d bytes; 80 is a size class of the allocator, and the next is 96", size)
	}
	if size := unsafe.Sizeof(loopCarrier{}); size > 112 {
		t.Errorf("loopCarrier has grown to %d bytes; 112 is a size class of the allocator, and the next is 128", size)
	}
	if size := unsafe.Sizeof(link{}); size > 48 {
		t.Errorf("link has grown to %d bytes; 48 is a size class of the allocator, and the next is 64", size)
	}
}
