package forward

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Node is another node.
type Node struct {
	ID      string
	Address string // of its Gate, host:port
	Token   string // that its Gate wants to see
}

// Bounds of a Forwarder.
const (
	dialTimeout  = 3 * time.Second
	bodyTimeout  = 30 * time.Second // for the content of a request, where nothing else bounds it
	writeTimeout = 10 * time.Second // for what a client is given to be taken
	idleConns    = 256              // to one node
)

// requestsMaxUsual is how many requests are handed on at a time.
const requestsMaxUsual = 100_000

// contentMaxUsual is the longest content of a request that is handed on.
const contentMaxUsual = 8 << 20

// heldMaxUsual is how many bytes of content are held at a time, of all requests together: nobody
// has looked yet at their senders.
const heldMaxUsual = 256 << 20

// ErrLost is why a request is given up whose node has gone.
var ErrLost = errors.New("forward: the node that has the session is gone")

var (
	errPlain   = errors.New("forward: the node wants TLS, and this one has no cluster.tls")
	errLeaving = errors.New("forward: this node is going away")
	errClosed  = errors.New("forward: closed")
)

// Forwarder hands requests on. All methods are safe for concurrent use.
type Forwarder struct {
	self        string
	requestsMax int
	contentMax  int64
	transport   *http.Transport
	scheme      string // http or https
	log         *slog.Logger
	warned      atomic.Int64 // when the log had a node that was not trusted last, in seconds

	handed, failed atomic.Uint64
	held           atomic.Int64 // bytes of content
	heldMax        int64        // heldMaxUsual

	mu       sync.Mutex // guards what follows
	requests map[*request]struct{}
	reason   error // no more are handed on, or none that last
}

// request is a request that is handed on.
type request struct {
	node   string
	lasts  bool
	cancel context.CancelCauseFunc

	answered atomic.Bool // its client has been
	err      error
}

// New returns a Forwarder of the node self. requestsMax is how many requests are handed on at
// a time, and contentMax how many bytes of content one may have; 0 is 100,000, and 8 MiB. trust is TLS
// for a connection to the host of a node, nil for none.
func New(self string, requestsMax, contentMax int, trust func(host string) *tls.Config, log *slog.Logger) *Forwarder {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	f := &Forwarder{
		scheme: "http",

		self: self, requestsMax: cmp.Or(requestsMax, requestsMaxUsual), contentMax: int64(cmp.Or(contentMax, contentMaxUsual)), log: log, requests: make(map[*request]struct{}),
		heldMax: heldMaxUsual,
		transport: &http.Transport{
			DialContext:           dialer.DialContext,
			MaxIdleConnsPerHost:   idleConns,
			IdleConnTimeout:       idleTimeout / 2, // before the other side gives it up
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true,
		},
	}
	if trust != nil {
		f.scheme = "https"
		f.transport.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return (&tls.Dialer{NetDialer: dialer, Config: trust(host)}).DialContext(ctx, network, address)
		}
	}
	return f
}

// Outcome is what became of a request.
type Outcome int

// Outcomes.
const (
	Answered    Outcome = iota // its client has been answered, or has gone
	Unreachable                // the node cannot be reached, or was lost: the request may be answered here, with its content
	Busy                       // too many are handed on, or too much of their content is held
	TooLarge                   // its content is
	Broken                     // its content did not arrive
)

// Forward hands r on to a node and its answer back, as it comes. A request that lasts, such
// as a stream or a WebSocket, ends when this node leaves.
//
// Fields that are set in w already are replaced by those of the answer.
func (f *Forwarder) Forward(w http.ResponseWriter, r *http.Request, to Node, origin Origin, lasts bool) Outcome {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	q := &request{node: to.ID, lasts: lasts, cancel: cancel}
	if !f.add(q) {
		return Busy
	}
	defer f.remove(q)
	f.handed.Add(1)
	control := http.NewResponseController(w)
	var held holding
	defer held.release(f)
	body, outcome := f.content(w, r, control, &held)
	if outcome != Answered {
		return outcome
	}
	origin.Node = f.self
	header := origin.String()
	own := w.Header().Clone()
	clear(w.Header())
	proxy := &httputil.ReverseProxy{
		Transport: f.transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = f.scheme, to.Address, p.In.Host
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if values := p.In.Header.Values(name); len(values) > 0 {
					p.Out.Header[http.CanonicalHeaderKey(name)] = values
				}
			}
			p.Out.Header[FieldToken] = []string{to.Token}
			p.Out.Header[FieldOrigin] = []string{header}
		},
		FlushInterval: -1, // at once
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { q.err = err },
		ErrorLog:      slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
		ModifyResponse: func(p *http.Response) error {
			if p.StatusCode == http.StatusUnauthorized && p.Header.Get(FieldToken) != "" {
				return ErrLost
			}
			if p.ProtoMinor == 0 { // a Gate speaks HTTP/1.1, but for what net/http says to those without TLS
				return errPlain
			}
			q.answered.Store(true)
			return nil
		},
	}
	out := r.WithContext(ctx)
	if body != nil {
		out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil // to be answered here, perhaps
	}
	proxy.ServeHTTP(&patient{w, control}, out)
	_ = control.SetWriteDeadline(time.Time{})
	switch {
	case q.err == nil:
		return Answered
	case r.Context().Err() != nil:
		return Answered // its client has gone
	case q.answered.Load():
		panic(http.ErrAbortHandler) // a WebSocket that could not be handed back; it is not known what has been said
	}
	f.failed.Add(1)
	cause := cmp.Or(context.Cause(ctx), q.err)
	level := slog.LevelDebug
	if isDistrust(cause) && isDue(&f.warned) {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, "a request could not be handed on", "node", to.ID, "address", to.Address, "error", cause)
	for name, values := range own {
		w.Header()[name] = values
	}
	return Unreachable
}

// isDistrust reports whether two nodes do not agree about TLS or its certificates, which no time mends.
func isDistrust(err error) bool {
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isAlert := errors.AsType[tls.AlertError](err)
	_, isPlain := errors.AsType[tls.RecordHeaderError](err)
	return err == errPlain || isCertificate || isAlert || isPlain || strings.Contains(err.Error(), "remote error: tls")
}

// isDue reports whether something may be logged again that was logged last at a time.
func isDue(last *atomic.Int64) bool {
	now, before := time.Now().Unix(), last.Load()
	return now-before >= int64(warnInterval/time.Second) && last.CompareAndSwap(before, now)
}

// add counts a request that begins.
func (f *Forwarder) add(q *request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) >= f.requestsMax || f.reason == errClosed || f.reason != nil && q.lasts {
		return false
	}
	f.requests[q] = struct{}{}
	return true
}

func (f *Forwarder) remove(q *request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.requests, q)
}

// end gives up requests.
func (f *Forwarder) end(reason error, concerns func(*request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for q := range f.requests {
		if concerns(q) {
			q.cancel(reason)
		}
	}
}

// Lost says that a node is gone: what waits for it waits no more.
func (f *Forwarder) Lost(node string) {
	f.end(ErrLost, func(q *request) bool { return q.node == node })
}

// Leave ends what lasts, so that its clients come back to another node. The rest goes on.
func (f *Forwarder) Leave() {
	f.mu.Lock()
	f.reason = cmp.Or(f.reason, errLeaving)
	f.mu.Unlock()
	f.end(errLeaving, func(q *request) bool { return q.lasts })
}

// Close ends everything.
func (f *Forwarder) Close() {
	f.mu.Lock()
	f.reason = errClosed
	f.mu.Unlock()
	f.end(errClosed, func(*request) bool { return true })
	f.transport.CloseIdleConnections()
}

// Counts returns how many requests were handed on, and of these how many could not be
// answered by their node; and how many are under way.
func (f *Forwarder) Counts() (handed, failed uint64, underWay int) {
	f.mu.Lock()
	underWay = len(f.requests)
	f.mu.Unlock()
	return f.handed.Load(), f.failed.Load(), underWay
}

// content reads that of a request, nil for one that has none. It is read before anything is sent
// to the other node: while an answer begins, net/http lets nobody read what it answers.
func (f *Forwarder) content(w http.ResponseWriter, r *http.Request, control *http.ResponseController, held *holding) ([]byte, Outcome) {
	if r.ContentLength == 0 {
		return nil, Answered
	}
	if r.ContentLength > f.contentMax {
		return nil, TooLarge
	}
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // not everything has deadlines, nor needs them
	held.from, held.of = http.MaxBytesReader(w, r.Body, f.contentMax), f
	body, err := io.ReadAll(held)
	if err == errHeld {
		return nil, Busy
	}
	if _, isTooLarge := errors.AsType[*http.MaxBytesError](err); isTooLarge {
		return nil, TooLarge
	}
	if err != nil {
		return nil, Broken
	}
	_ = control.SetReadDeadline(time.Time{}) // from here on only the client's leaving is read
	return body, Answered
}

// holding counts the content of a request that is held.
type holding struct {
	from  io.Reader
	of    *Forwarder
	bytes int64
}

var errHeld = errors.New("forward: too much content is held")

// Read implements io.Reader.
func (h *holding) Read(b []byte) (int, error) {
	n, err := h.from.Read(b)
	h.bytes += int64(n)
	if h.of.held.Add(int64(n)) > h.of.heldMax {
		return 0, errHeld
	}
	return n, err
}

func (h *holding) release(f *Forwarder) { f.held.Add(-h.bytes) }

// patient gives a client time for each part of what it is given.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	return p.ResponseWriter.Write(b)
}

// Unwrap lets an http.ResponseController find the rest.
func (p *patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
