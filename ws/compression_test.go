package ws_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

func TestCompressionIsNegotiated(t *testing.T) {
	on := ws.Options{Compression: &deflate.Options{}}
	for _, v := range []struct {
		server, client ws.Options
		want           bool
	}{{on, on, true}, {on, ws.Options{}, false}, {ws.Options{}, on, false}} {
		s := serve(t, echo(&ws.AcceptOptions{Options: v.server}), false)
		conn := dial(t, s.URL, &ws.DialOptions{Options: v.client})
		if _, got := conn.Compression(); got != v.want {
			t.Errorf("compressed %v, want %v", got, v.want)
		}
		echoes(t, conn)
	}
}

func TestCompressedEcho(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	noise := make([]byte, 100_000)
	for i := range noise {
		noise[i] = byte(rnd.Uint32())
	}
	messages := [][]byte{nil, []byte("short"), bytes.Repeat([]byte("the same again, "), 10_000), noise, bytes.Repeat([]byte("{\"a\":1},"), 100), bytes.Repeat([]byte{0}, 1<<20)}
	for _, o := range []deflate.Options{
		{}, {ServerNoContextTakeover: true, ClientNoContextTakeover: true}, {ServerMaxWindowBits: 8, ClientMaxWindowBits: 9}, {Level: deflate.LevelFast},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			both := ws.Options{Compression: &o}
			s := serve(t, echo(&ws.AcceptOptions{Options: both}), false)
			conn := dial(t, s.URL, &ws.DialOptions{Options: both})
			if p, ok := conn.Compression(); !ok || o.ServerMaxWindowBits != 0 && p.ServerMaxWindowBits != o.ServerMaxWindowBits {
				t.Fatalf("agreed on %+v, %v", p, ok)
			}
			for range 2 {
				for _, m := range messages {
					sent := make(chan error, 1)
					go func() { sent <- conn.Write(background, ws.MessageBinary, m) }()
					_, got, err := conn.Read(background)
					if err != nil || !bytes.Equal(got, m) {
						t.Fatalf("%d bytes came back as %d, %v", len(m), len(got), err)
					}
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
				}
			}
			// In parts, both ways.
			w, err := conn.Writer(background, ws.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				io.WriteString(w, strings.Repeat("part ", 50))
			}
			w.Close()
			_, r, err := conn.Reader(background)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); string(got) != strings.Repeat("part ", 5000) || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

// One Prepared message goes to connections that agreed on different things, in
// between messages of their own, and everybody reads the same.
func TestPrepared(t *testing.T) {
	text := strings.Repeat("prepared once, sent to many; ", 20)
	m, err := ws.Prepare(ws.MessageText, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: ws.Options{Compression: &deflate.Options{}}})
		if err != nil {
			return
		}
		for i := range 5 {
			conn.WritePrepared(background, m)
			conn.Write(background, ws.MessageText, fmt.Appendf(nil, "%s own %d", text, i))
			conn.Enqueue(ws.MessageText, []byte(text))
		}
		conn.Close(ws.StatusNormal, "")
	}), false)
	var clients sync.WaitGroup
	for _, o := range []*deflate.Options{nil, {}, {ServerMaxWindowBits: 8}, {ServerNoContextTakeover: true}} {
		conn := dial(t, s.URL, &ws.DialOptions{Options: ws.Options{Compression: o}})
		clients.Go(func() {
			n := 0
			for got, err := range conn.Messages(background) {
				want := text
				if n%3 == 1 {
					want = fmt.Sprintf("%s own %d", text, n/3)
				}
				if err != nil || string(got.Data) != want {
					t.Errorf("%+v: message %d is %.60q, %v", o, n, got.Data, err)
					return
				}
				n++
			}
			if n != 15 {
				t.Errorf("%+v: %d messages", o, n)
			}
		})
	}
	clients.Wait()
	if _, err := ws.Prepare(ws.MessageText, []byte("\xff")); err != ws.ErrNotUTF8 {
		t.Error(err)
	}
	if _, err := ws.Prepare(5, nil); err != ws.ErrMessageType {
		t.Error(err)
	}
	client := dial(t, serve(t, echo(nil), false).URL, nil)
	if err := client.WritePrepared(background, m); err != nil {
		t.Fatal(err)
	}
	read(t, client, ws.MessageText, text)
}
