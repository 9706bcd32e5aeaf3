// Package sockjs speaks SockJS: it serves the unmodified sockjs-client, over WebSocket
// or, where that does not get through, over HTTP.
//
// SockJS looks to a page like a WebSocket. The client tries what its browser and the
// network let through, one after another: WebSocket, streams, event streams, polling. The
// server sees sessions that send and receive messages of text, whatever carries them. The
// protocol is version 0.3.3; clients from 0.3 on speak it, and so do STOMP over SockJS and
// the fallback of pusher-js on top of it.
//
// # A server
//
// A program that waits receives and sends in a goroutine for each session:
//
//	h := sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
//		for text, err := range c.Messages(ctx) {
//			if err != nil {
//				return nil // the client has gone
//			}
//			if err := c.Send(ctx, "echo "+text); err != nil {
//				return nil
//			}
//		}
//		return nil
//	})
//	server, err := sockjs.New(h, &sockjs.Options{Base: "/echo"})
//	if err != nil {
//		log.Fatal(err)
//	}
//	http.Handle("/echo/", server)
//
// In the page it is new SockJS("/echo"). A program for very many sessions writes a Handler
// instead: its callbacks never wait, and a session that is silent has no goroutine and no
// queue.
//
// # On event loops
//
// An engine.Server asks the same Server about requests and handshakes, and serves them
// without a goroutine:
//
//	e := &engine.Server{
//		Handler: engine.NopHandler{},
//		Route:   server.Route,
//		Admit:   server.Admit,
//		HTTP:    server, // for HTTP/1.0, HTTP/2 and what else a loop does not serve
//	}
//
// With HTTPRefuses it answers handshakes that are not in order the way that SockJS's test
// suite wants.
//
// # Who may
//
// Pages of the same origin may; Options.Origins admits others. Options.Decide is asked about
// each session, before its client is told that it is open. It may look at the request, take
// its time, and refuse with a code and a reason, which the page sees in its onclose. An HTTP
// status instead of that would have the client try its next transport.
//
// The URL of a session has a name in it that the client draws. Knowing it is enough to
// send and receive in the session, so it is shown to nobody: Session.ID is another name.
//
// # Ends
//
// Session.Close ends a session with a code and a reason. On a WebSocket it is over at
// once; a client that polls is told when it asks, for DisconnectDelay. A client that
// closes tells nobody: it is gone when its WebSocket ends, or when nobody has asked for
// its messages for DisconnectDelay. A connection that breaks while it receives may have
// lost messages, so the session ends with 1002. SockJS has no reconnection: the page makes
// a new session.
//
// # Slow clients
//
// The queue for a client is bounded by QueueMessagesMax and QueueBytesMax. A session whose
// queue is full is closed with 1008. Buffered says how much waits, and OnDrain when nothing
// does any more: stop writing in time, or let Conn.Send wait. The other way round,
// PauseReading keeps a client from sending more than the program can take.
//
// # More than one server
//
// The sessions of a Server are its own. With several behind a balancer, all requests of a
// session must reach the same one: by the cookie JSESSIONID (Options.SetsCookie), by the
// segment of the path that names the server, or by Options.ClientBase. A WebSocket needs
// nothing of that. Do not let a proxy buffer responses.
//
// # Limits
//
//	sessions                        100,000                 1013       Options.SessionsMax
//	the queue for a client          1,024, 1 MiB            1008       Options.QueueMessagesMax, QueueBytesMax
//	a message of a client           1 MiB                   413, 1009  Options.MessageBytesMax
//	messages sent at once           4 MiB, 65,536 messages  413, 1009  Options.BodyBytesMax
//	requests that wait for a pause  16, 4 MiB               503
//	a session without receiver      5 s                                Options.DisconnectDelay
//	a session that is held          10 s                    1013       Options.DecisionTimeout
//	a streaming response            128 KiB                            Options.ResponseLimit
//	asking for a closed session     8 times at once, then once a second
package sockjs
