package hub

import (
	"testing"
	"unsafe"
)

// An idle client is a session and its subscription.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 192 {
		t.Errorf("Session has grown to %d bytes; 192 is a size class of the allocator, and the next is 208", size)
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
	if size := unsafe.Sizeof(channel{}); size > 160 {
		t.Errorf("channel has grown to %d bytes; 160 is a size class of the allocator, and the next is 176", size)
	}
}
