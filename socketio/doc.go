// Package socketio serves Socket.IO: events with arguments and acknowledgements, both ways,
// for the clients that browsers, phones and other programs already have.
//
// Clients of version 3 and 4 of Socket.IO are served over WebSocket and over HTTP
// long-polling, with the upgrade from one to the other; clients 1 and 2 if it is allowed.
// The zero value of every option is a safe default, and what a client can make this side
// hold or do is bounded. What follows is the whole package in the order in which a program
// meets it.
//
// # A server
//
//	server, err := socketio.New(nil)
//	if err != nil {
//		log.Fatal(err)
//	}
//	main := server.Namespace("/")
//	main.On("greet", func(e *socketio.Event) {
//		var name string
//		if err := e.Bind(&name); err != nil {
//			return // the client has sent something else
//		}
//		e.Socket().Emit("greeting", "hello, "+name)
//	})
//	http.Handle("/socket.io/", server)
//	http.ListenAndServe("127.0.0.1:8080", nil)
//
// The page's side is the client that Socket.IO publishes:
//
//	const socket = io("http://127.0.0.1:8080");
//	socket.on("greeting", (text) => console.log(text));
//	socket.emit("greet", "ada");
//
// Pages of other origins are refused unless Options.Engine.Origins names them. With many
// connections, package engine serves them on event loops instead of goroutines; a Server
// has the functions that it asks for:
//
//	loops := &engine.Server{Handler: engine.NopHandler{}, Route: server.Route, Admit: server.Admit}
//
// # Namespaces
//
// A namespace is a part of the traffic that clients join by name. A client that names none
// is in "/"; io("http://host/chat") is in "/chat". One connection carries any number of
// them. In each a client has a Socket of its own, with an ID that others may know. Clients
// that ask for a namespace that does not exist are refused. Dynamic makes namespaces when
// they are asked for.
//
// # Who may connect
//
// Options.Engine.Allow decides about the first HTTP request, by its headers, cookies and
// query. OnConnect decides about a client in a namespace, by what its program says:
//
//	chat.OnConnect(func(s *socketio.Socket, auth socketio.Auth) error {
//		var said struct{ Token string }
//		if err := auth.Bind(&said); err != nil {
//			return &socketio.Refusal{Message: "auth is an object with a token"}
//		}
//		user, err := lookUp(said.Token)
//		if err != nil {
//			return &socketio.Refusal{Message: "not authorized"}
//		}
//		s.SetData(user)
//		return s.Join("team " + user.Team)
//	})
//
// A refusal is final: the client gets it as its event connect_error and does not try again.
// So return ErrTryLater for a trouble that passes, such as a database that is down. The
// text of an error that is no Refusal goes to the log and not to the client.
//
// # Events
//
// On sets a handler. Bind decodes arguments, as encoding/json does. Arguments that do not
// concern the program can stay as they came: Raw returns their bytes, and passing
// Event.Arguments to Emit sends them on without decoding, so that numbers of any size and
// the order of keys survive.
//
// A []byte among the arguments of Emit is sent as bytes, which are an ArrayBuffer in a
// browser and a Buffer in Node. Inside of other values it takes the type Binary. Bytes that
// a client sends, at any depth, fit a []byte. There may be 10 in an event, because clients
// refuse more.
//
// # Acknowledgements
//
// A client that emits with a callback, or with emitWithAck, waits for Event.Ack:
//
//	main.On("add", func(e *socketio.Event) {
//		var a, b int
//		if err := e.Bind(&a, &b); err == nil {
//			e.Ack(a + b)
//		}
//	})
//
// The other way, EmitWithAck waits for the client, as long as its context lasts:
//
//	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
//	defer cancel()
//	answer, err := socket.EmitWithAck(ctx, "which page?")
//
// That an event was emitted says nothing about its arrival. If you need to know, ask for
// an acknowledgement. A client with the option retries repeats an event until it is
// acknowledged, so the same event may come twice.
//
// # Rooms
//
// A room is a set of sockets of a namespace, with a name. Only the server puts a socket into
// one.
//
//	socket.Join("match 7")
//	main.To("match 7").Emit("score", 3, 1)          // everybody in it
//	socket.To("match 7").Emit("typing", name)       // everybody else in it
//	main.To("match 7").Except("referees").Emit("x") // some of them
//	main.To(socket.ID()).Emit("x")                  // one socket
//
// An event for many is encoded once, and its bytes are shared. Volatile leaves out
// sockets that are behind.
//
// # Handlers, goroutines and order
//
// The events of one Socket are handled one after another, in the order in which its client
// emitted them; events of different sockets are handled at the same time. A handler may
// block: others are not held up by it. Its client's further events wait; when
// Options.PendingBytesMax of them do, the client is read no further until the handler gets
// on. A client that is not read for long looks dead, so start a goroutine for what takes
// many seconds.
//
// A program whose handlers never wait says so with Options.NeverBlocks: they are called
// where an event arrives, and on an event loop their events leave with one system call.
//
// A socket on which nothing happens has no goroutine. A handler that panics ends the
// connection of its client, and is logged.
//
// Events that one goroutine emits arrive in order, at every receiver. Between goroutines
// there is no order, unless Options.Recovery is set.
//
// # The end
//
// OnDisconnect is called once, last, with the Reason. After an end that the server or the
// client wanted for the namespace, Socket.Disconnect for example, clients do not come back.
// After the end of a connection they do, within some seconds: Socket.Close and
// Server.Shutdown count on it.
//
// A client that does not read is ended when Options.Engine.QueueBytesMax waits, as
// nothing may be missing between two events.
//
// # Recovery
//
// A client that comes back is a new one: with another ID, in no room, and without the
// events of meanwhile. With Options.Recovery it is the old one, if it comes back soon:
// OnConnect is called with a Socket that has the ID, the Data and the rooms of before,
// and whose Recovered is true; then it gets the events that it has missed.
//
//	main.OnConnect(func(s *socketio.Socket, auth socketio.Auth) error {
//		if s.Recovered() {
//			return nil
//		}
//		return s.Join("news")
//	})
//
// Each event has a number then, which is the last argument on the wire: clients from
// version 4.6 on understand it, and those of version 3 and earlier 4 hand it to the
// program. Events with an acknowledgement, and volatile ones, have none and are not
// recovered. Events are sent one at a time, in the order of their numbers.
//
// Unlike with the reference server, a client recovers also if it has not got any event yet,
// and if it is back before the loss of its old connection was noticed.
//
// # Sizes and limits
//
// See Options, and engineio.Options. A client whose limit is reached is refused, read no
// further, or ended, and no other client is worse for it.
//
// # Coming from the server for Node
//
//	io.of("/chat")                          server.Namespace("/chat")
//	io.of(/^\/team-\d+$/)                   server.Dynamic(match, setUp)
//	io.use, io.on("connection")             Namespace.OnConnect, which decides, too
//	socket.on("x", (a, b, callback) => …)   Namespace.On or Socket.On; e.Bind(&a, &b); e.Ack(…)
//	socket.on("disconnecting"/"disconnect") OnDisconnect; Socket.Rooms still has the rooms
//	io.to(r), socket.to(r), socket.broadcast Namespace.To(r), Socket.To(r), Socket.Others()
//	socket.timeout(ms).emitWithAck          Socket.EmitWithAck, with a context
//	socket.disconnect()                     Socket.Disconnect
//	socket.disconnect(true)                 Socket.Disconnect in each namespace; Socket.Close has the client come back
//	socket.data, socket.handshake           Socket.Data; what Options.Engine.Allow has kept
//
// What differs: errors of OnConnect are not told to clients unless they are made for it. A
// packet for a namespace that the server has just closed is ignored, and does not end the
// connection. A placeholder stands for one attachment, once. There are no adapters: a
// Server is one process. There is no parser but the default one.
//
// # Below
//
// Package engineio is the transport, useful by itself. Package packet, in a folder of this
// one, is the protocol without I/O.
package socketio
