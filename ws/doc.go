// Package ws speaks WebSocket: Accept a connection from net/http, or Dial one.
//
// # A server
//
//	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
//		conn, err := ws.Accept(w, r, nil)
//		if err != nil {
//			return // the client has been answered
//		}
//		defer conn.Close(ws.StatusNormal, "")
//		for {
//			typ, message, err := conn.Read(r.Context())
//			if err != nil {
//				return
//			}
//			if err := conn.Write(r.Context(), typ, message); err != nil {
//				return
//			}
//		}
//	})
//
// # What is safe without asking
//
// Accept admits pages of the same origin only, because cookies travel with a
// handshake from any page; Origins widens that. Messages are limited to 1 MiB,
// and fragments, close frames and control frames are bounded. A peer that falls
// silent is found by a keepalive ping, a peer that does not read by a write
// timeout. Text is validated in both directions. A peer that breaks the protocol
// is told how, with the close code that RFC 6455 gives to the fault.
//
// # Reading keeps a connection alive
//
// Pings are answered, pongs are noticed and the peer's close frame is handled
// while a Read is under way, so a connection needs a goroutine that reads, also
// when only writing interests you. Without a Read under way the keepalive does
// not judge the peer.
//
// # Contexts
//
// A context bounds one call. When a Read is cut short, the connection goes on:
// the next Read returns the message, whole. See Write for what a cut write
// means.
//
// # The end
//
// Every error that ends a connection is a *CloseError, the same one from every
// call that follows, with the codes of both sides.
package ws
