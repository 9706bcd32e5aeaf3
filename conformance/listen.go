package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// clientsMax bounds the connections of a client under test.
const clientsMax = 64

// RunClient plays the cases with whatever client connects to ln, which becomes
// RunClient's. The client must echo text and binary messages, and finds its way
// by the path of the URL it dials:
//
//	/cases       one text message: how many cases there are
//	/case?n=K    case K, counted from 1
//	/report      the client is done
//
// Each is a connection of its own, which the suite ends; what the suite closes
// or refuses to open is not an error for the client to stop at. The paths and
// parameters of the best known public suite mean the same, so clients that are
// driven by that one can be pointed here: /getCaseCount, /runCase?case=K,
// /updateReports. An agent parameter on any of them names the client.
//
// RunClient returns after /report, or when ctx has ended; then the report is
// marked as interrupted. Cases that the client did not connect for have failed.
// Nothing is left running.
func RunClient(ctx context.Context, ln net.Listener, o Options) (*Report, error) {
	defer ln.Close()
	cases, err := Select(Client, o.Only, o.Skip)
	if err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return nil, errors.New("conformance: no case is selected")
	}
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	s := &suite{role: Client, options: o, fresh: newFreshness()}
	d := &desk{suite: s, cases: cases, collector: newCollector(s, "a client", cases), done: make(chan struct{})}

	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	go func() { // ends with RunClient at the latest
		select {
		case <-d.done:
			ln.Close()
		case <-ctx.Done():
		}
	}()
	places := make(chan struct{}, clientsMax)
	var clients sync.WaitGroup
	for {
		places <- struct{}{}
		conn, acceptErr := ln.Accept()
		if acceptErr != nil {
			err = acceptErr
			break
		}
		clients.Go(func() {
			d.serve(ctx, conn)
			<-places
		})
	}
	clients.Wait()
	select {
	case <-d.done:
		d.addMissing()
		return d.report(false), nil
	default:
	}
	if ctx.Err() != nil {
		return d.report(true), nil
	}
	return nil, fmt.Errorf("conformance: cannot accept connections: %w", err)
}

// desk receives the connections of a client under test.
type desk struct {
	suite *suite
	cases []Case
	*collector

	once sync.Once
	done chan struct{} // closed when the client has said that it is done
}

// arrivedClient is a connection whose request has been read.
type arrivedClient struct {
	conn net.Conn
	br   *bufio.Reader
	head *head
	log  *recorder
}

func (d *desk) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	limit, cancel := context.WithTimeout(ctx, d.suite.options.Timeout)
	defer cancel()
	stop := context.AfterFunc(limit, func() { conn.SetDeadline(longAgo) })
	a := &arrivedClient{conn: conn, br: bufio.NewReaderSize(conn, 16<<10), log: newRecorder(nil)}
	h, err := readHead(a.br, a.log)
	if !stop() || h == nil {
		return
	}
	a.head = h
	u, uriErr := requestURI(h)
	if uriErr != nil {
		refuse(conn, http.StatusBadRequest, "the request line is not GET, a path and HTTP/1.1")
		return
	}
	query := u.Query()
	d.name(query.Get("agent"), h.get("User-Agent"))
	switch u.Path {
	case "/case", "/runCase":
		n, convErr := strconv.Atoi(firstOf(query.Get("n"), query.Get("case")))
		if convErr != nil || n < 1 || n > len(d.cases) {
			refuse(conn, http.StatusNotFound, fmt.Sprintf("cases are /case?n=1 to /case?n=%d", len(d.cases)))
			return
		}
		d.play(ctx, n-1, a, err)
	case "/cases", "/getCaseCount":
		d.tell(ctx, a, err, strconv.Itoa(len(d.cases)))
	case "/report", "/updateReports":
		d.tell(ctx, a, err, "")
		d.once.Do(func() { close(d.done) })
	default:
		refuse(conn, http.StatusNotFound, "this is a suite for WebSocket clients: connect to /cases, /case?n=1 and so on, and /report")
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// requestURI reads the first line of a request.
func requestURI(h *head) (*url.URL, error) {
	words := strings.Split(h.start, " ")
	if len(words) != 3 {
		return nil, errors.New("not a request line")
	}
	return url.ParseRequestURI(words[1])
}

// play plays case i if a server accepts the request.
func (d *desk) play(ctx context.Context, i int, a *arrivedClient, headErr error) {
	d.suite.fresh.addKey(a.head.get("Sec-WebSocket-Key"))
	c := d.cases[i]
	if reason := faultOf(a.head, headErr); reason != "" {
		c.play = func(s *session) { s.fail("the request is not one that a server may accept: %s", reason) }
	}
	r := d.suite.run(ctx, &c, a)
	if ctx.Err() == nil {
		d.add(i, r)
	}
}

// faultOf returns the fault of a client's request.
func faultOf(h *head, headErr error) string {
	if headErr != nil {
		return headErr.Error()
	}
	method, rest, _ := strings.Cut(h.start, " ")
	if !strings.HasSuffix(rest, " HTTP/1.1") {
		return "it is not HTTP/1.1"
	}
	_, fault := handshake.Check(&handshake.Request{
		Method: method, ProtoMajor: 1, ProtoMinor: 1, Host: h.get("Host"), Header: h.withoutOrigin(),
	}, nil)
	if fault != nil {
		return fault.Reason
	}
	return ""
}

// withoutOrigin returns the fields but Origin: any page may be a test.
func (h *head) withoutOrigin() map[string][]string {
	fields := make(map[string][]string, len(h.fields))
	for name, values := range h.fields {
		if name != "Origin" {
			fields[name] = values
		}
	}
	return fields
}

// tell sends a message, unless it is empty, and closes in good order.
func (d *desk) tell(ctx context.Context, a *arrivedClient, headErr error, message string) {
	if reason := faultOf(a.head, headErr); reason != "" {
		refuse(a.conn, http.StatusBadRequest, reason)
		return
	}
	steps := []step{sends(closing(wire.CloseNormal, ""))}
	if message != "" {
		steps = []step{sends(text(message)), sends(closing(wire.CloseNormal, ""))}
	}
	steps = append(steps, wantsClose(wire.CloseNormal))
	d.suite.run(ctx, &Case{ID: "desk", play: script(steps...)}, a)
}

func refuse(conn net.Conn, status int, reason string) {
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		status, http.StatusText(status), len(reason)+1, reason)
}

// addMissing fails the cases that the client did not connect for.
func (d *desk) addMissing() {
	for i, c := range d.cases {
		d.mu.Lock()
		missing := d.results[i] == nil
		d.mu.Unlock()
		if missing {
			d.add(i, Result{
				ID: c.ID, Group: c.Group(), Checks: c.Checks, Section: c.Section,
				Verdict: Fail, Detail: "the client did not connect for this case",
			})
		}
	}
}
