package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/lxzan/gws"
)

func serveGWS(ln net.Listener, kind string) error {
	option := &gws.ServerOption{ReadMaxPayloadSize: messageBytesMax}
	if kind == kindDeflate { // without context takeover, at level 1
		option.PermessageDeflate = gws.PermessageDeflate{Enabled: true, Threshold: compressFrom}
	}
	var events gws.Event = &gwsEcho{}
	if kind == kindFanout {
		events = &gwsFanout{members: map[*gws.Conn]struct{}{}}
	}
	upgrader := gws.NewUpgrader(events, option)
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, err := upgrader.Upgrade(w, r); err == nil {
			go conn.ReadLoop() // net/http frees what it holds for a request
		}
	}))
}

type gwsEcho struct{ gws.BuiltinEventHandler }

func (*gwsEcho) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

func (*gwsEcho) OnMessage(conn *gws.Conn, message *gws.Message) {
	defer message.Close()
	_ = conn.WriteMessage(message.Opcode, message.Bytes())
}

// gwsFanout uses the library's own Broadcaster, which has a queue for each
// connection.
type gwsFanout struct {
	gws.BuiltinEventHandler
	mu      sync.Mutex
	members map[*gws.Conn]struct{}
}

func (f *gwsFanout) OnPing(conn *gws.Conn, payload []byte) { _ = conn.WritePong(payload) }

func (f *gwsFanout) OnOpen(conn *gws.Conn) {
	f.mu.Lock()
	f.members[conn] = struct{}{}
	f.mu.Unlock()
}

func (f *gwsFanout) OnClose(conn *gws.Conn, _ error) {
	f.mu.Lock()
	delete(f.members, conn)
	f.mu.Unlock()
}

func (f *gwsFanout) OnMessage(_ *gws.Conn, message *gws.Message) {
	defer message.Close()
	b := gws.NewBroadcaster(message.Opcode, message.Bytes())
	defer b.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.members {
		_ = b.Broadcast(conn)
	}
}
