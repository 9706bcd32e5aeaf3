// Package ws speaks WebSocket: Accept a connection from net/http, or Dial one.
//
// The zero value of every option is a safe default, and what a peer can make
// this side hold or do is bounded. What follows is the whole package in the
// order in which a program meets it. Every task has an example below; the pages
// on security, on memory and on moving here from other libraries are in the
// repository's docs folder.
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
// Accept belongs at the end of a handler's decisions: a client that may not connect
// is answered before it, with an ordinary response. After it the connection is no
// longer net/http's. The handler may stay and read, as here, or start a goroutine
// that does and return, which frees what net/http keeps for a request. After the
// return r.Context() has ended; use another context then.
//
// # A client
//
//	conn, _, err := ws.Dial(ctx, "wss://example.com/live", nil)
//	if err != nil {
//		return
//	}
//	defer conn.Close(ws.StatusNormal, "")
//	err = conn.Write(ctx, ws.MessageText, []byte("hello"))
//	if err != nil {
//		return
//	}
//	_, message, err := conn.Read(ctx)
//	fmt.Println(string(message), err)
//
// The context bounds the handshake and not the life of the connection. When the
// server has refused, the error is a *handshake.ResponseError with the status, and
// the response has the body. Headers, cookies, TLS, proxies and redirects are
// fields of DialOptions.
//
// # Reading
//
// A message is text, which is valid UTF-8, or binary. There are several ways to
// read the same messages:
//
//   - Read returns one, in memory that is the caller's from then on.
//   - ReadAppend does that in memory that the caller brings, without allocating.
//   - Messages is a loop over all of them.
//   - Reader is one message as a stream, which is never held as a whole.
//   - ReadJSON decodes one.
//
// Pings are answered, pongs are noticed and the peer's close frame is handled
// while a Read is under way. So a connection needs a goroutine that reads, also
// when only writing interests you:
//
//	go func() {
//		for range conn.Messages(ctx) {
//		}
//	}()
//
// Without a Read under way the keepalive does not judge the peer, whose pong may
// have arrived unread.
//
// # Writing
//
// Write sends one message and returns when the operating system has taken it.
// It waits while the peer does not read, as long as its context lasts and some
// progress is made within WriteTimeout. Writer sends a message whose end is not
// known yet. Enqueue never waits. That a write succeeded says nothing about the
// peer; if you need to know that it has a message, let it answer.
//
// # Closing
//
//	err := conn.Close(ws.StatusPolicyViolation, "your token has expired")
//	if err != nil {
//		log.Print(err)
//	}
//
// Close says goodbye and waits for the other side's, for CloseTimeout at most
// (and as long again for what Enqueue left). Calling it again, or after the peer
// has closed, is harmless, so defer it. CloseNow just ends the connection.
// Codes from 4000 to 4999 are yours to define; package wire names the others. A
// browser shows code and reason to the page.
//
// # Errors
//
// Every error that ends a connection is a *CloseError, and every call that
// follows returns the same one. It has the peer's code and reason, this side's
// code, and the cause if the end was not an orderly one. CloseStatus is enough
// mostly:
//
//	_, _, err := conn.Read(ctx)
//	switch ws.CloseStatus(err) {
//	case ws.StatusNormal, ws.StatusGoingAway:
//		return // goodbye
//	case 4001:
//		fmt.Println("log in again")
//	default:
//		fmt.Println(err)
//	}
//
// A peer that breaks the protocol is told how, with the code that RFC 6455 gives
// to the fault, and the error says it too. Other errors leave the connection as
// it was: the end of a context, and misuse such as ErrNotUTF8.
//
// # Concurrency
//
// All methods may be called by any number of goroutines at any time. Each message
// is read by one of the readers; messages of several writers do not mix. While a
// Writer is open, other messages wait. While a Reader is open, other reads wait,
// pings stay unanswered, and Close finds nobody to read the peer's goodbye: read
// it to the end, or close it.
//
// # Contexts
//
// A context bounds one call and not the connection. When a Read is cut short, the
// next one returns the message, whole:
//
//	brief, cancel := context.WithTimeout(ctx, time.Second)
//	_, message, err := conn.Read(brief)
//	cancel()
//	if errors.Is(err, context.DeadlineExceeded) {
//		fmt.Println("nothing yet") // conn is as good as before
//	} else if err == nil {
//		fmt.Println(len(message), "bytes")
//	}
//
// When a Write is cut short, what the system has not taken is kept and goes out
// before whatever is written next, so the stream stays whole; see Write for the
// exception, which is TLS.
//
// # Limits
//
// A message may have 1 MiB and come in 4096 fragments; what a compressed one
// inflates to is counted while it inflates. Beyond that the connection ends with
// 1009, before the rest has arrived. An announced length allocates nothing. The
// limits are fields of Options, where 0 means the default, NoLimit none, and a
// negative value is refused. How often a peer may speak is for Options.Rate to say.
//
// # Keepalive
//
// A peer that has been silent for 25 seconds is sent a ping, and if it stays
// silent for 20 more the connection ends with 1011. Any byte of it counts. The
// answers are measured: Latency is the newest. Ping measures when you ask.
// IdleTimeout ends a connection whose peer is alive and has nothing to say.
//
// # Slow peers
//
// A peer that reads slowly makes Write wait. A program that must not wait uses
// Enqueue, which puts the message into a queue of at most QueueBytesMax (1 MiB) and
// returns ErrQueueFull beyond that. What happens then is a decision that only
// the program can make: drop this message, close the connection, or wait for
// OnLowWater.
//
//	for _, c := range conns {
//		switch err := c.Enqueue(ws.MessageText, message); {
//		case errors.Is(err, ws.ErrQueueFull):
//			go c.Close(ws.StatusTryAgainLater, "too slow")
//		case err != nil:
//			fmt.Println(err)
//		}
//	}
//
// OnHighWater comes first, as a warning, and Buffered says how much is waiting. A
// queue that makes no progress for WriteTimeout (10 seconds) ends its connection.
//
// # Broadcasting
//
// A message for many is prepared once: framed once, and compressed once for each
// window size in use.
//
//	m, err := ws.Prepare(ws.MessageText, message)
//	if err != nil {
//		return
//	}
//	for _, c := range conns {
//		go c.WritePrepared(ctx, m)
//	}
//
// WritePrepared waits as Write does. A goroutine for each message is simple and
// lets messages overtake one another; the chat example has a goroutine and a
// bounded queue for each member instead. Package hub does all of this, with
// history and resuming.
//
// # Compression
//
// With Options.Compression set on both sides, messages of some length are
// compressed (permessage-deflate, RFC 7692). It costs processor time for every
// message, and with context takeover memory for every connection: up to 32 KiB for
// what it sent and 32 KiB for what it received. Without takeover nothing is kept
// between messages, and short messages get less short:
//
//	options := ws.Options{Compression: &deflate.Options{
//		ServerNoContextTakeover: true,
//		ClientNoContextTakeover: true,
//	}}
//	conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: options})
//	if err == nil {
//		defer conn.Close(ws.StatusNormal, "")
//	}
//
// Secrets and text that an attacker can choose should not be compressed together:
// the length of the result tells about both.
//
// # Shutting down
//
// http.Server.Shutdown does not know the connections that Accept has taken over.
// A Tracker does, and closes them with 1001, spread over its Pace so that the
// clients do not all come back in the same moment. Accept refuses new ones with
// 503 meanwhile.
//
//	tracker := &ws.Tracker{Pace: 10 * time.Second}
//	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Tracker: tracker})
//		if err != nil {
//			return
//		}
//		defer conn.Close(ws.StatusNormal, "")
//		for range conn.Messages(r.Context()) {
//		}
//	})}
//	server.Shutdown(ctx)
//	tracker.Shutdown(ctx)
//
// # Reconnecting
//
// A Redialer dials, runs a function on the connection, and dials again when that
// ends, after a pause that grows and is never the same for two clients. It obeys
// Retry-After, and gives up when trying again cannot help.
//
//	client := &ws.Redialer{URL: "wss://example.com/live"}
//	err := client.Run(ctx, func(ctx context.Context, conn *ws.Conn) error {
//		if err := conn.Write(ctx, ws.MessageText, []byte("subscribe news")); err != nil {
//			return err
//		}
//		for {
//			_, message, err := conn.Read(ctx)
//			if err != nil {
//				return err // dial again
//			}
//			fmt.Printf("%s\n", message)
//		}
//	})
//	fmt.Println(err) // of the context, or one that is permanent
//
// # Observing
//
// Options.Observer is told when a connection opens, of each frame in both
// directions, and of its end, to count, trace or log them; without one that costs
// nothing. A Conn and a CloseError know how to be logged by log/slog:
//
//	slog.Info("connection ended", "conn", conn, "end", conn.Err())
//
// # Origins
//
// A page on any site can open a WebSocket to your server, and the visitor's
// cookies go along. So Accept admits pages of the same origin only, and requests
// without an Origin, which do not come from a page. More are listed:
//
//	origins, err := handshake.ParseOrigins([]string{"https://app.example.com", "https://*.example.org"})
//	if err != nil {
//		log.Fatal(err)
//	}
//	conn, err := ws.Accept(w, r, &ws.AcceptOptions{Origins: origins})
//	if err == nil {
//		defer conn.Close(ws.StatusNormal, "")
//	}
//
// # Behind a proxy
//
// A reverse proxy has to pass on Upgrade, Connection and Host. If it changes Host,
// the same origin is not recognised, and the page's has to be listed. The
// keepalive's defaults keep below the minute after which most proxies cut a
// connection that says nothing. Behind a proxy NetConn().RemoteAddr() is the
// proxy's address.
//
// Middleware that wraps the ResponseWriter needs a method Unwrap, as for
// http.ResponseController. http.TimeoutHandler has none and cannot be around a
// WebSocket; the timeouts of http.Server end with the handshake.
//
// # In a browser
//
// Built with GOOS=js, Dial uses the browser's WebSocket, and the same program
// compiles. A page decides less than another program: Dial refuses options that a
// browser has no place for, there are no pings, a close code below 3000 other than
// 1000 is sent as the one 3000 higher, and why a handshake failed is not told. The
// documentation for js/wasm says where else a method differs.
//
// # Testing
//
// Code that takes a *Conn is tested without a port and without waiting: package
// wstest has a wire in memory and a peer that says exactly what it is told to, and
// testing/synctest makes time virtual.
//
//	func TestGreets(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			near, far := wstest.Pipe(nil)
//			conn := ws.NewServerConn(near, nil)
//			peer := wstest.NewPeer(t, far, true)
//			go conn.Write(t.Context(), ws.MessageText, []byte("hello"))
//			peer.Want(`text "hello"`)
//			conn.CloseNow()
//			peer.WantEnd()
//		})
//	}
package ws
