package wire

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// fenced returns two pages of memory between two that end the program when one
// of their bytes is read or written.
func fenced(t *testing.T) []byte {
	t.Helper()
	page := unix.Getpagesize()
	m, err := unix.Mmap(-1, 0, 4*page, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	inner := m[page : 3*page]
	if err := unix.Mprotect(inner, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		t.Fatal(err)
	}
	return inner
}

func TestMaskStaysInsideTheSlice(t *testing.T) {
	m := fenced(t)
	want := make([]byte, len(m))
	onEachPath(func(path string) {
		for length := range 301 {
			clear(m)
			clear(want)
			key := [4]byte{byte(length) | 1, 2, 3, 4}
			begin, end := m[:length], m[len(m)-length:]
			maskPlain(want[:length], key, 0)
			maskPlain(want[len(m)-length:], key, 0)
			Mask(begin, key, 0)
			Mask(end, key, 0)
			if !bytes.Equal(m, want) {
				t.Fatalf("%s: length %d: wrong bytes", path, length)
			}
		}
		clear(m)
		clear(want)
		maskPlain(want, [4]byte{1, 2, 3, 4}, 3)
		if Mask(m, [4]byte{1, 2, 3, 4}, 3); !bytes.Equal(m, want) {
			t.Fatalf("%s: two pages: wrong bytes", path)
		}
	})
}
