package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSecret is that of the vectors of Standard Webhooks.
const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

const testURL = "https://user:pass-word@app.example/hooks?token=query-secret"

// application is what is asked and told, on connections in memory.
type application struct {
	conns   chan net.Conn
	closed  chan struct{}
	refused atomic.Int32 // so many connections are refused

	mu   sync.Mutex // guards what follows
	seen []*seen
}

// seen is a request as the application has it.
type seen struct {
	at     time.Duration // since the application began
	header http.Header
	url    string
	body   []byte
}

func (s *seen) events(t *testing.T) (types []string, channels []string) {
	t.Helper()
	var batch struct {
		Events []struct {
			Type      string
			Timestamp time.Time
			Data      struct{ Channel, Session, User, Reason string }
		}
	}
	d := json.NewDecoder(bytes.NewReader(s.body))
	if err := d.Decode(&batch); err != nil || len(batch.Events) == 0 {
		t.Fatalf("no events: %v: %s", err, s.body)
	}
	for _, e := range batch.Events {
		if e.Timestamp.IsZero() {
			t.Errorf("an event without a time: %s", s.body)
		}
		types = append(types, e.Type)
		channels = append(channels, e.Data.Channel)
	}
	return types, channels
}

// runApplication serves with handler, which may read the body again. It is plain
// HTTP, whatever the scheme: TLS is tested over sockets.
func runApplication(t *testing.T, handler http.HandlerFunc) *application {
	a := &application{conns: make(chan net.Conn), closed: make(chan struct{})}
	began := time.Now()
	server := &http.Server{
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			a.mu.Lock()
			a.seen = append(a.seen, &seen{time.Since(began), r.Header.Clone(), r.URL.String(), body})
			a.mu.Unlock()
			handler(w, r)
		}),
	}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(a) })
	t.Cleanup(func() {
		_ = server.Close()
		running.Wait()
	})
	return a
}

func (a *application) requests() []*seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*seen(nil), a.seen...)
}

func (a *application) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if a.refused.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case a.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

func (a *application) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

func (a *application) Close() error {
	close(a.closed)
	return nil
}

func (a *application) Addr() net.Addr { return &net.TCPAddr{} }

// start returns hooks that ask a, and are closed with the test. o has what differs
// from what tests have; the URLs are set here.
func (a *application) start(t *testing.T, o Options) *Hooks {
	t.Helper()
	const plain = "http://user:pass-word@app.example/hooks?token=query-secret"
	for _, q := range []*Question{o.Connect, o.Subscribe, o.Publish, o.RPC, o.SocketIO} {
		if q != nil {
			q.URL = plain
		}
	}
	if o.Events != nil {
		o.Events.URL = plain
	}
	o.dial = a.dial
	if o.Secrets == nil {
		o.Secrets = [][]byte{[]byte(testSecret)}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(h) })
	return h
}

// closeNow closes h and waits for nothing.
func closeNow(h *Hooks) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = h.Close(ctx)
}

// say is a handler that always answers the same.
func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// hang answers when the client has gone.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// subscribe asks and waits for the answer.
func subscribe(h *Hooks, r SubscribeRequest) error {
	done := make(chan error, 2) // a second answer would be found by the leak check or the next call
	h.Subscribe(r, func(err error) { done <- err })
	return <-done
}

func connect(h *Hooks, r ConnectRequest) (id *access.Identity, err error) {
	done := make(chan struct{})
	h.Connect(r, func(i *access.Identity, e error) {
		id, err = i, e
		close(done) // panics if it is called twice
	})
	<-done
	return id, err
}

func publish(h *Hooks, r PublishRequest) (answer PublishAnswer, err error) {
	done := make(chan struct{})
	h.Publish(r, func(a PublishAnswer, e error) {
		answer, err = a, e
		close(done)
	})
	<-done
	return answer, err
}

// refusal is the *access.Refusal that err has to be.
func refusal(t *testing.T, err error) *access.Refusal {
	t.Helper()
	var r *access.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r
}

// record is an observer that counts.
type record struct {
	mu       sync.Mutex // guards what follows
	answered map[string]int
	told     map[Outcome]int
	givenUp  map[Reason]int
}

func newRecord() *record {
	return &record{answered: map[string]int{}, told: map[Outcome]int{}, givenUp: map[Reason]int{}}
}

func (r *record) observer() *Observer {
	return &Observer{
		Answered: func(hook string, outcome Outcome, _ time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.answered[hook+" "+string(outcome)]++
		},
		Told: func(events int, outcome Outcome, _ time.Duration) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told[outcome] += events
		},
		GivenUp: func(events int, why Reason) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.givenUp[why] += events
		},
	}
}

// lockedBuffer is a log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
