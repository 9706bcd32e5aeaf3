package ws

import (
	"context"
	"net/http"
)

// Handler returns an http.Handler that accepts WebSockets with o, which may be
// nil, and calls serve with each. It sees to the end of the connection: 1000 when
// serve returns nil, 1011 when it returns an error that is not the connection's
// own, and 1011 also when it panics, after which the panic goes on to the caller
// that recovers it, net/http for instance.
//
// ctx is the request's: it ends when serve returns, and not with the connection.
//
//	http.Handle("/echo", ws.Handler(func(ctx context.Context, conn *ws.Conn) error {
//		for message, err := range conn.Messages(ctx) {
//			if err != nil {
//				return err
//			}
//			if err := conn.Write(ctx, message.Type, message.Data); err != nil {
//				return err
//			}
//		}
//		return nil
//	}, nil))
func Handler(serve func(ctx context.Context, conn *Conn) error, o *AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r, o)
		if err != nil {
			return // the client has been answered
		}
		code := StatusInternalError // also when serve does not return
		defer func() { _ = conn.Close(code, "") }()
		if serve(r.Context(), conn) == nil {
			code = StatusNormal
		}
	})
}
