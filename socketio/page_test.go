package socketio_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/godwit-io/godwit/socketio"
	"github.com/godwit-io/godwit/ws"
)

// page stands for a page with a client of Socket.IO: it says and hears what such a client
// does, as it is on the wire.
type page struct {
	conn   *ws.Conn
	answer string // whether it may join
}

// open has a page come to a namespace, saying auth of itself.
func open(url, namespace, auth string) *page {
	conn, _, err := ws.Dial(context.Background(), url+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		panic(err)
	}
	p := &page{conn: conn}
	p.hear() // the session
	if namespace != "/" {
		auth = namespace + "," + auth
	}
	p.say("40" + auth)
	p.answer = p.hear()
	return p
}

func (p *page) say(message string) {
	if err := p.conn.Write(context.Background(), ws.MessageText, []byte(message)); err != nil {
		panic(err)
	}
}

// hear returns the next message that is no ping.
func (p *page) hear() string {
	for {
		_, message, err := p.conn.Read(context.Background())
		switch {
		case err != nil:
			return err.Error()
		case string(message) != "2":
			return string(message)
		}
	}
}

// leave closes the page.
func (p *page) leave() { p.conn.Close(ws.StatusGoingAway, "") }

// serve has a server listen, and returns its URL and what ends both.
func serve(s *socketio.Server) (url string, end func()) {
	listening := httptest.NewServer(s)
	return listening.URL, func() {
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
		listening.Close()
	}
}
