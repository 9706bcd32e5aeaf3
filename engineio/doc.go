// Package engineio serves Engine.IO, the sessions that Socket.IO runs on: they begin with HTTP
// requests, which pass every proxy, and move to a WebSocket where one can be had.
//
// It speaks version 4 of the protocol, and version 3 if that is allowed, over polling and
// WebSocket, and passes the official test suite. What follows is the whole package in the order
// in which a program meets it. Package socketio has events, acknowledgements and namespaces
// on top.
//
// # A server
//
//	type echo struct{ engineio.NopHandler }
//
//	func (echo) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
//		_ = s.Write(typ, data)
//	}
//
//	server, err := engineio.New(echo{}, nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	http.Handle("/engine.io/", server)
//	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
//
// A page connects with the official client:
//
//	const socket = new Socket("ws://127.0.0.1:3000"); // of engine.io-client
//	socket.on("open", () => socket.send("hello"));
//	socket.on("message", (data) => console.log(data));
//
// # Event loops
//
// The same Server serves package engine's event loops, where an idle session on a WebSocket
// has no goroutine and less than a kilobyte, its connection included:
//
//	e := &engine.Server{Handler: engine.NopHandler{}, Route: server.Route, Admit: server.Admit}
//	log.Fatal(e.ListenAndServe("127.0.0.1:3000"))
//
// A program that serves other paths, too, asks Serves first. The loops have an origin policy of
// their own, engine.Server.Origins, which has to admit the same pages as Options.Origins. On both
// drivers a Handler is called in the same way.
//
// # Callbacks
//
// A Handler is called for everything that happens to a session: OnOpen, then OnMessage, OnWake
// and OnDrain in any order, then OnClose. The calls for one Socket come one after another, so
// the data of a session needs no lock. They must not block, because other sessions wait
// meanwhile. Work that takes time goes to a goroutine, whose result comes back by Wake:
//
//	func (h *handler) OnMessage(s *engineio.Socket, _ engineio.MessageType, data []byte) {
//		query := string(data) // data is valid until OnMessage returns
//		results := s.Value().(chan string)
//		go func() {
//			results <- h.lookUp(query)
//			s.Wake()
//		}()
//	}
//
//	func (h *handler) OnWake(s *engineio.Socket) {
//		for {
//			select {
//			case result := <-s.Value().(chan string):
//				_ = s.Write(engineio.MessageText, []byte(result))
//			default:
//				return
//			}
//		}
//	}
//
// WakeAt does the same at a time, without a timer of the program's. A program that can take no
// more for now calls PauseReading.
//
// # Writing
//
// Write sends a message, from anywhere, and never waits. Messages written in a callback leave
// when it has returned, together. A message that goes to many sockets is encoded once:
//
//	packet := engineio.AppendMessage(nil, engineio.MessageText, data)
//	for _, s := range sockets {
//		_ = s.WritePackets(packet) // an error means that s has ended
//	}
//
// # Slow clients
//
// A message waits while a client does not read, or has no poll waiting. What may wait is bounded
// by Options.QueueBytesMax and QueueMessagesMax. Beyond that the session ends with
// ReasonQueueFull, and its client connects anew: nothing is left out in silence. A program
// that would rather skip something asks Buffered before it writes, and is told by OnDrain when
// everything has left.
//
// # Who may connect
//
// Options.Origins is the one policy about pages: without it only pages of the same origin may
// use the server, with any request, as a POST needs no preflight. Options.Allow decides about
// everything else, such as a token in the query, a cookie or an address. It may take its time:
//
//	allow := func(r *engineio.Request, decide func(engineio.Verdict)) {
//		token := strings.Clone(r.Query().Get("token")) // r is valid until Allow returns
//		go func() {
//			user, err := verify(token)
//			if err != nil {
//				decide(engineio.Verdict{Status: 403})
//				return
//			}
//			decide(engineio.Verdict{Value: user}) // becomes Socket.Value
//		}()
//	}
//
// The SID of a session is a secret of its client. Do not log it, and do not make a name of it.
//
// # Polling
//
// A session over polling is a GET that waits and a POST now and then, over any connections. So
// all of its requests must reach the same process. A balancer in front of several needs
// sticky sessions, by address or by Options.Cookie, or clients that use WebSockets from the
// start. A client whose session is unknown, because the server has been restarted for example,
// is told so at once, and connects anew.
//
// A client that stops polling is noticed by the heartbeat, after 45 seconds; a client whose
// waiting GET is cut has left. Proxies that cut requests after less than Options.PingInterval
// therefore need a shorter one.
//
// # The upgrade
//
// A client that began with polling opens a WebSocket beside it, probes it, and moves. Nothing of
// this concerns a Handler: no message is lost, doubled or overtaken, and Socket.Transport says
// what carries the session.
//
// # Heartbeats
//
// The server sends a ping every PingInterval, and a client that does not answer within
// PingTimeout has gone. The client notices a server that has gone within their sum. In version
// 3 it is the client that pings. WebSocket's own pings are not used.
//
// # Ending
//
// Socket.Close ends a session behind the messages written. OnClose gets a Reason; a client that
// goes without a word is ReasonTransportClose or, later, ReasonPingTimeout. Server.Shutdown
// closes all sessions and waits for them. Call it before http.Server.Shutdown or
// engine.Server.Shutdown: both wait for polls, and the first does not know WebSockets.
//
// # Limits
//
// What clients can make the server hold is bounded: SessionsMax sessions, MaxPayload bytes of a
// message or a POST, one GET and one POST of a session, one WebSocket beside it for
// UpgradeTimeout, BodyTimeout for a POST. Behind all of them are errors of the protocol, or ends
// with a Reason, and Server.Stats counts both.
//
// # What is left out
//
// JSONP, WebTransport, and compression of polls: the length of compressed text tells about
// secrets in it, and large messages are better off on a WebSocket with Options.Compression.
package engineio
