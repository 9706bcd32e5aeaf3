package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/ws"
)

const (
	// objectBytesMax is longer than any object (docs/protocol.md §3.1).
	objectBytesMax = 64 << 20

	// handshakeTimeout bounds a handshake, and fallbackAfter one after which something else can
	// be tried.
	handshakeTimeout = 10 * time.Second
	fallbackAfter    = 3 * time.Second
)

// subprotocol is what sessions speak over a WebSocket.
const subprotocol = "godwit.v1"

// webSocket is a carrier.
type webSocket struct{ conn *ws.Conn }

func (c *Client) dialWebSocket() (carrier, error) {
	u := *c.url
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	o := &ws.DialOptions{Header: c.options.Header, Subprotocols: []string{subprotocol}, TLSConfig: c.options.TLS, HandshakeTimeout: handshakeTimeout}
	o.MessageBytesMax = objectBytesMax
	if c.attempt+1 < len(c.options.Transports) {
		o.HandshakeTimeout = fallbackAfter
	}
	conn, response, err := ws.Dial(c.ctx, u.String(), o)
	if err != nil {
		if response != nil {
			return nil, refusal(response)
		}
		return nil, explainUnreachable(u.Host, err)
	}
	return &webSocket{conn}, nil
}

func (w *webSocket) send(ctx context.Context, lines [][]byte) error {
	return w.explain(w.conn.Write(ctx, ws.MessageText, bytes.Join(lines, []byte{'\n'})))
}

func (w *webSocket) receive(ctx context.Context) ([]byte, error) {
	_, message, err := w.conn.Read(ctx)
	return message, w.explain(err)
}

// explain adds the code of a close frame to an error.
func (w *webSocket) explain(err error) error {
	if closed, ok := errors.AsType[*ws.CloseError](err); ok {
		text := fmt.Sprintf("the connection was closed with %d", closed.Code)
		if closed.Reason != "" {
			text += ": " + closed.Reason
		}
		return &brokenError{session.Cause{Err: errors.New(text), Code: uint16(closed.Code)}}
	}
	return err
}

func (w *webSocket) begun(clientproto.Resume) {}
func (w *webSocket) needsSession() bool       { return false }

func (w *webSocket) end(finish bool) {
	if finish {
		_ = w.conn.Close(ws.StatusNormal, "") // the session has been ended by a command
		return
	}
	_ = w.conn.CloseNow() // without a close frame, which would end the session
}

// refusal makes an error of an answer that is not the one hoped for.
func refusal(r *http.Response) error {
	cause := session.Cause{Err: fmt.Errorf("the server answered %s", r.Status), Status: r.StatusCode, Problem: ReadProblem(r), RetryAfter: retryAfter(r.Header)}
	if cause.Problem != nil {
		cause.Err = cause.Problem
	}
	return &brokenError{cause}
}
