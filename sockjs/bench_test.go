package sockjs_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws"
)

// An echo over one WebSocket, with and without the framing of SockJS.
func BenchmarkEcho(b *testing.B) {
	for _, driver := range []string{"loops", "goroutines"} {
		for _, form := range []string{"websocket", "raw"} {
			b.Run(driver+"/"+form, func(b *testing.B) {
				s := newSite(b, driver, echo{}, nil)
				url, message := "ws://"+s.host+"/echo/0/a/websocket", []byte(`["`+string(bytes.Repeat([]byte("x"), 100))+`"]`)
				if form == "raw" {
					url = "ws://" + s.host + "/echo/websocket"
				}
				conn, _, err := ws.Dial(b.Context(), url, nil)
				if err != nil {
					b.Fatal(err)
				}
				defer conn.CloseNow()
				var memory []byte
				if form == "websocket" {
					if _, _, err = conn.Read(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := conn.Write(b.Context(), ws.MessageText, message); err != nil {
						b.Fatal(err)
					}
					if _, memory, err = conn.ReadAppend(b.Context(), memory[:0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A message for each of many sessions that have a stream.
func BenchmarkFanout(b *testing.B) {
	const sessions = 100
	for _, form := range []string{"websocket", "xhr_streaming"} {
		b.Run(form, func(b *testing.B) {
			r := newRoom()
			s := newSite(b, "loops", chat{room: r}, &sockjs.Options{ResponseLimit: sockjs.NoLimit})
			var peers []*peer
			for range sessions {
				peers = append(peers, s.peer(form).open())
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n++
				text := fmt.Sprint(n)
				r.say(text)
				for _, p := range peers {
					if got := p.next(); got != `a["`+text+`"]` {
						b.Fatal(got)
					}
				}
			}
		})
	}
}
