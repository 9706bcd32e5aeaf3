//go:build linux

package handover

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pair(t testing.TB) (here, there *Conn) {
	t.Helper()
	a, f, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromFile(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	here, there = New(a), New(b)
	t.Cleanup(func() { here.Close(); there.Close() })
	for _, c := range []*Conn{here, there} {
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return here, there
}

// Sockets arrive as what they were, and serve on both sides.
func TestOffer(t *testing.T) {
	here, there := pair(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	dir, err := os.MkdirTemp("", "godwit-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	file, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := here.SendOffer(Offer{Build: "v1", PID: 7, Sockets: []Socket{{tcp, "localhost:0", false}, {file, "unix:" + path, true}}}); err != nil {
		t.Fatal(err)
	}
	o, err := there.ReceiveOffer()
	if err != nil || o.Build != "v1" || o.PID != 7 || len(o.Sockets) != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
	if got := o.Sockets; got[0].Spec != "localhost:0" || got[0].IsLent || got[1].Spec != "unix:"+path || !got[1].IsLent || got[0].Addr().String() != tcp.Addr().String() {
		t.Errorf("%+v", got)
	}
	// Neither side blocks the other: both still accept.
	for _, ln := range []net.Listener{o.Sockets[0].Listener, tcp} {
		if err := ln.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v: Accept does not heed its deadline", err)
		}
		if err := ln.(*net.TCPListener).SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	tcp.Close()
	for _, s := range o.Sockets {
		nc, err := net.Dial(s.Addr().Network(), s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := s.Accept()
		if err != nil {
			t.Fatal(err)
		}
		accepted.Close()
		nc.Close()
	}
	o.Close()
	if _, err := os.Stat(path); err != nil {
		t.Error("closing a socket that is not ours has removed its file")
	}
	if err := there.SendOffer(Offer{}); err != nil {
		t.Fatal(err)
	}
	if o, err := here.ReceiveOffer(); err != nil || len(o.Sockets) > 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if err := here.SendOffer(Offer{Sockets: []Socket{{Listener: notSocket{}}}}); err == nil {
		t.Error("what is no socket was sent")
	}
	if err := here.SendOffer(Offer{Sockets: make([]Socket, SocketsMax+1)}); err == nil {
		t.Error("too many were sent")
	}
}

type notSocket struct{ net.Listener }

func (notSocket) Addr() net.Addr { return &net.TCPAddr{} }

func TestConversation(t *testing.T) {
	here, there := pair(t)
	g := Greeting{Build: "v2", PID: 8, Relay: 1, Sections: map[string]int{"a": 1, "b": 2}}
	large := bytes.Repeat([]byte("0123456789"), 100_000)
	sent := make(chan error, 1)
	go func() {
		sent <- func() error {
			if got, err := here.ReceiveHello(); err != nil || !reflect.DeepEqual(got, g) {
				return errors.Join(errors.New("another greeting"), err)
			}
			for name, content := range map[string][]byte{"a": large, "b": large, "c": nil} {
				w, err := here.Section(name, 3)
				if err != nil {
					return err
				}
				if _, err := w.Write(content); err != nil {
					return err
				}
				if err := w.Close(); err != nil {
					return err
				}
			}
			if err := here.Send(End, nil); err != nil {
				return err
			}
			if _, err := here.Expect(Loaded); err != nil {
				return err
			}
			return here.Send(Failed, []byte("no"))
		}()
	}()
	if err := there.SendHello(g); err != nil {
		t.Fatal(err)
	}
	var section *SectionReader
	names := 0
	for {
		var err error
		if section, err = there.Next(section); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		names++
		if section.Version != 3 {
			t.Errorf("version %d", section.Version)
		}
		if section.Name == "a" { // the others are passed over
			b, err := io.ReadAll(section)
			if err != nil || !bytes.Equal(b, large) {
				t.Errorf("%d bytes, %v", len(b), err)
			}
		}
	}
	if names != 3 {
		t.Errorf("%d sections", names)
	}
	if err := there.Send(Loaded, nil); err != nil {
		t.Fatal(err)
	}
	var failed *FailedError
	if _, err := there.Expect(Go); !errors.As(err, &failed) || failed.Reason != "no" {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	stream := here.Stream()
	if _, err := stream.Write([]byte("after")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(there.Stream(), b); err != nil || string(b) != "after" {
		t.Errorf("%q, %v", b, err)
	}
}

// A byte that has changed on the way is noticed, and so is an end in the middle.
func TestChecksum(t *testing.T) {
	here, there := pair(t)
	if err := here.Send(Failed, []byte("why")); err != nil {
		t.Fatal(err)
	}
	whole := bytes.Clone(here.out)
	if _, _, err := there.Receive(); err == nil {
		t.Fatal("it did not arrive")
	}
	for i := range whole {
		here, there := pair(t)
		b := bytes.Clone(whole)
		b[i] ^= 0x40
		if _, err := here.conn.Write(b); err != nil {
			t.Fatal(err)
		}
		here.Close()
		var failed *FailedError
		if _, _, err := there.Receive(); err == nil || errors.As(err, &failed) {
			t.Errorf("byte %d of another value: %v", i, err)
		}
	}
}

// FuzzReceive: whatever comes ends in time.
func FuzzReceive(f *testing.F) {
	here, _ := pair(f)
	for _, send := range []func() error{
		func() error { return here.Send(End, nil) },
		func() error { _, err := here.Section("a", 1); return err },
		func() error { _, err := (&sectionWriter{here}).Write([]byte("x")); return err },
		func() error { return here.SendHello(Greeting{PID: 1}) },
	} {
		if err := send(); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(here.out))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > bufferBytes {
			return
		}
		_, _ = parseHead(b, 1)
		here, there := pair(t)
		if _, err := here.conn.Write(b); err != nil {
			t.Fatal(err)
		}
		here.Close()
		if _, err := there.ReceiveHello(); err == nil {
			return
		}
		var section *SectionReader
		for {
			var err error
			if section, err = there.Next(section); err != nil {
				return
			}
		}
	})
}
