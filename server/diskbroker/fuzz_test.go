package diskbroker

import (
	"bytes"
	"io"
	"testing"
)

// FuzzFrame: what is a frame is one at its place alone, and is what was written.
func FuzzFrame(f *testing.F) {
	b := endAndSeal([]byte("a record"), 7, 28)
	f.Add(b, uint64(7), int64(28))
	f.Add(b[:len(b)-1], uint64(7), int64(28))
	f.Add([]byte{}, uint64(0), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, salt uint64, offset int64) {
		record, n, err := ParseFrame(b, salt, offset)
		if err != nil {
			if n != 0 || record != nil {
				t.Errorf("an error, and %d bytes", n)
			}
		} else {
			if again := endAndSeal(record, salt, offset); !bytes.Equal(again, b[:n]) {
				t.Errorf("%x became %x", b[:n], again)
			}
			if _, _, err := ParseFrame(b, salt, offset+1); err == nil {
				t.Error("it is a frame elsewhere, too")
			}
		}
		if len(b) == 0 {
			return
		}
		sealed := endAndSeal(b, salt, offset)
		if record, n, err := ParseFrame(sealed, salt, offset); err != nil || n != len(sealed) || !bytes.Equal(record, b) {
			t.Errorf("%x became %x, %v", b, record, err)
		}
	})
}

func endAndSeal(record []byte, salt uint64, offset int64) []byte {
	b := append(beginFrame(nil), record...)
	endFrame(b, 0)
	sealFrames(b, salt, offset)
	return b
}

// FuzzFiles: no file can be so that something is read which was not written.
func FuzzFiles(f *testing.F) {
	var state bytes.Buffer
	s := newSealer(&state, 3)
	_, _ = s.Write([]byte("what is known"))
	_, _ = s.Write([]byte(", and more"))
	_ = s.end()
	f.Add(state.Bytes())
	f.Add(mark{5, 77}.appendTo(nil))
	f.Add(appendSegmentHead(nil, 3, 99))
	f.Add([]byte(`{"format":1,"stage":"open"}` + "\n" + ownerChecksum([]byte(`{"format":1,"stage":"open"}`))))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parseMark(b); ok && !bytes.Equal(m.appendTo(nil), b) {
			t.Errorf("the mark %x is %+v", b, m)
		}
		if salt, err := parseSegmentHead(b, 3); err == nil && !bytes.Equal(appendSegmentHead(nil, 3, salt), b[:segmentHeadBytes]) {
			t.Errorf("the head %x has salt %d", b, salt)
		}
		parseOwner(b)
		u, err := newUnsealer(bytes.NewReader(b), int64(len(b)), 3)
		if err != nil {
			return
		}
		var again bytes.Buffer
		s := newSealer(&again, 3)
		for {
			chunk := make([]byte, 1<<20)
			n, err := u.Read(chunk)
			if n > 0 {
				if _, err := s.Write(chunk[:n]); err != nil {
					t.Fatal(err)
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return
			}
		}
		if err := s.end(); err != nil || len(b) < 1<<20 && !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("%x was read as %x", b, again.Bytes())
		}
	})
}

// FuzzDirectory changes bytes of a directory and holds it to what was acknowledged.
func FuzzDirectory(f *testing.F) {
	f.Add(uint8(0), uint32(3), uint8(1), false)
	f.Add(uint8(1), uint32(9), uint8(128), true)
	f.Add(uint8(2), uint32(50), uint8(255), false)
	f.Add(uint8(3), uint32(77), uint8(4), true)
	f.Fuzz(func(t *testing.T, which uint8, at uint32, change uint8, reboot bool) {
		d := newFixture(t, nil)
		d.publish("a", "1", "2", "3")
		if err := d.renewState(); err != nil {
			t.Fatal(err)
		}
		d.publish("a", "4", "5")
		d.publish("b", "6")
		d.kill()
		names := []string{d.path(ownerName), d.path(markName), d.files("state-*")[0], d.files("log-*")[0]}
		name := names[int(which)%len(names)]
		spoil(t, name, func(b []byte) []byte { b[int(at)%len(b)] ^= change; return b })
		if reboot {
			d.boot = "another"
		}
		d.open()
		if gaps := d.check(); gaps == 0 && change != 0 {
			t.Errorf("byte %d of %s was changed by %d, and nobody was told", int(at), name, change)
		}
		d.checkGoesOn()
	})
}
