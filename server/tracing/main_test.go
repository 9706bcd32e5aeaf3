package tracing

import (
	"bytes"
	"compress/gzip"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	otlpcommon "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector understands what collectors do, with the types that are generated from the
// specification. It is a server and, without a network, a transport.
type collector struct {
	mu       sync.Mutex // guards what follows
	requests []*http.Request
	batches  []*otlp.TracesData // which is on the wire what an ExportTraceServiceRequest is
	answer   func(attempt int, w http.ResponseWriter)
	wrong    []string
	more     chan struct{} // gets one with each request that has room
}

func newCollector() *collector { return &collector{more: make(chan struct{}, 100)} }

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.more <- struct{}{} }()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	data := new(otlp.TracesData)
	if err == nil {
		err = proto.Unmarshal(body, data)
	}
	switch {
	case err != nil:
		c.wrong = append(c.wrong, err.Error())
	case len(data.ProtoReflect().GetUnknown()) > 0:
		c.wrong = append(c.wrong, "there are unknown fields")
	}
	c.requests = append(c.requests, r)
	c.batches = append(c.batches, data)
	if c.answer != nil {
		c.answer(len(c.requests), w)
	}
}

// RoundTrip implements http.RoundTripper without a network.
func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &recording{header: http.Header{}, status: http.StatusOK}
	c.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.body), Request: r}, nil
}

type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recording) Header() http.Header         { return w.header }
func (w *recording) WriteHeader(status int)      { w.status = status }
func (w *recording) Write(p []byte) (int, error) { return w.body.Write(p) }

// spans are all that have come, by their names.
func (c *collector) spans(t *testing.T) map[string][]*otlp.Span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, wrong := range c.wrong {
		t.Error(wrong)
	}
	named := make(map[string][]*otlp.Span)
	for _, b := range c.batches {
		for _, r := range b.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					named[span.Name] = append(named[span.Name], span)
				}
			}
		}
	}
	return named
}

func (c *collector) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests)
}

// values are attributes, written plainly.
func values(attributes []*otlpcommon.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *otlpcommon.AnyValue_StringValue:
			m[a.Key] = v.StringValue
		case *otlpcommon.AnyValue_IntValue:
			m[a.Key] = int(v.IntValue)
		case *otlpcommon.AnyValue_BoolValue:
			m[a.Key] = v.BoolValue
		}
	}
	return m
}

// logged is a logger and what it has written.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// newTracer returns a Tracer that records everything and sends to c.
func newTracer(t testing.TB, c http.RoundTripper, alter func(*Options)) *Tracer {
	t.Helper()
	o := &Options{Endpoint: "http://collector.example", Sample: 1, transport: c, Logger: new(logged).logger()}
	if alter != nil {
		alter(o)
	}
	tracer, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracer.Close(t.Context()) }) // its context has ended: what waits is lost
	return tracer
}
