package wstest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPipeCarriesBytesInChunks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 10, Chunk: func(rest int) int { return 3 }})
		want := bytes.Repeat([]byte("0123456789"), 100)
		go func() {
			if n, err := a.Write(want); n != len(want) || err != nil {
				t.Errorf("Write = %d, %v", n, err)
			}
			a.Close()
		}()
		var got []byte
		p := make([]byte, 64)
		for {
			n, err := b.Read(p)
			got = append(got, p[:n]...)
			if n > 3 {
				t.Fatalf("a chunk of %d bytes", n)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d bytes came through, want %d", len(got), len(want))
		}
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 1})
		var p [10]byte
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		if _, err := a.Read(p[:]); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Read = %v after %v", err, time.Since(start))
		}
		a.SetWriteDeadline(start.Add(3 * time.Second))
		if n, err := a.Write(p[:]); n != 1 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Write = %d, %v after %v", n, err, time.Since(start))
		}
		a.SetDeadline(time.Time{}) // and it works again
		go b.Read(p[:])
		if n, err := a.Write(p[:1]); n != 1 || err != nil {
			t.Errorf("Write = %d, %v", n, err)
		}
		a.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := a.Read(p[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read with a deadline in the past = %v", err)
		}
		a.Close()
		b.Close()
	})
}

func TestPipeCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(nil)
		io.WriteString(a, "last words")
		a.CloseWrite()
		io.WriteString(b, "answer")
		if got, err := io.ReadAll(b); string(got) != "last words" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if a.Buffered() != 0 || b.Buffered() != len("answer") {
			t.Errorf("Buffered = %d and %d", a.Buffered(), b.Buffered())
		}
		blocked := make(chan error)
		go func() {
			_, err := b.Read(make([]byte, 1)) // the end, again
			blocked <- err
		}()
		if err := <-blocked; err != io.EOF {
			t.Errorf("Read = %v", err)
		}
		a.Close()
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close = %v", err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write to a closed end = %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close = %v", err)
		}
		b.Close()
	})
}
