package hub

import (
	"testing"
	"unsafe"
)

// An idle client is a session and its subscription.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 176 {
		t.Errorf("Session has grown to %d bytes; 176 is a size class of the allocator, and the next is 192", size)
	}
	if size := unsafe.Sizeof(subscription{}); size > 112 {
		t.Errorf("subscription has grown to %d bytes; 112 is a size class of the allocator, and the next is 128", size)
	}
	if size := unsafe.Sizeof(Publication{}); size > 128 {
		t.Errorf("Publication has grown to %d bytes; 128 is a size class of the allocator, and the next is 144", size)
	}
	if size := unsafe.Sizeof(Attributes{}); size > 112 {
		t.Errorf("Attributes have grown to %d bytes; 112 is a size class of the allocator, and the next is 128", size)
	}
	if size := unsafe.Sizeof(channel{}); size > 144 {
		t.Errorf("channel has grown to %d bytes; 144 is a size class of the allocator, and the next is 160", size)
	}
}
