// Package wstest is test support for WebSocket code: an in-memory wire and a
// peer that says exactly what a test tells it to.
//
// The wire behaves like a socket, with a buffer, deadlines and half-close, but
// needs no port and no real time: inside testing/synctest everything that waits
// on it waits in virtual time, so timeouts are tested exactly and at once.
//
//	func TestASilentPeerIsNoticed(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			near, far := wstest.Pipe(nil)
//			conn := ws.NewServerConn(near, nil)
//			peer := wstest.NewPeer(t, far, true)
//			end := make(chan error, 1)
//			go func() { // the code under test
//				_, _, err := conn.Read(t.Context())
//				end <- err
//			}()
//			start := time.Now()
//			peer.Receive() // a ping, which stays without an answer
//			peer.Want(`close 1011 "keepalive ping timeout"`)
//			if waited := time.Since(start); waited != ws.DefaultPingInterval+ws.DefaultPingTimeout {
//				t.Error(waited)
//			}
//			if <-end == nil {
//				t.Error("the read goes on")
//			}
//			peer.Hangup()
//		})
//	}
package wstest
