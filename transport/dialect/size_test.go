package dialect

import (
	"math"
	"testing"
	"time"
	"unsafe"
)

// An idle session has one of these, besides what its carrier, the engine and the hub have.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(Session{}); size > 160 {
		t.Errorf("Session has grown to %d bytes; 160 is a size class of the allocator, and the next is 176", size)
	}
}

// An idle event stream, and a long poll that waits, have one of these.
func TestSizesOfReads(t *testing.T) {
	if size := unsafe.Sizeof(Stream{}); size > 80 {
		t.Errorf("Stream has grown to %d bytes; 80 is a size class of the allocator, and the next is 96", size)
	}
	if size := unsafe.Sizeof(Page{}); size > 112 {
		t.Errorf("Page has grown to %d bytes; 112 is a size class of the allocator, and the next is 128", size)
	}
}

func TestMomentKeepsATime(t *testing.T) {
	now := time.Now()
	for _, o := range []*StreamOptions{{}, {Epoch: now}} {
		if m := o.momentOf(time.Time{}); m != 0 || !o.timeOf(m).IsZero() {
			t.Errorf("a moment of no time is %d, and that is %v", m, o.timeOf(m))
		}
		for _, at := range []time.Time{now, now.Add(time.Hour), time.Date(2000, 1, 1, 0, 0, 0, 500, time.UTC)} {
			if d := o.timeOf(o.momentOf(at)).Sub(at); d < 0 || d > 1 {
				t.Errorf("since %v, a moment of %v is %v later", o.Epoch, at, d)
			}
		}
	}
}

func TestInstantKeepsATime(t *testing.T) {
	if i := instantOf(time.Time{}); i != 0 {
		t.Errorf("instantOf(zero) = %d, want 0: none", i)
	}
	at := time.Date(2026, 11, 30, 9, 30, 0, 500, time.UTC)
	if got := instantOf(at).time(); !got.Equal(at) {
		t.Errorf("an instant of %v is %v", at, got)
	}
	far := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) // as tokens have that are to last
	if i := instantOf(far); i != math.MaxInt64 {
		t.Errorf("instantOf(%v) = %d, want the last one there is", far, i)
	}
}
