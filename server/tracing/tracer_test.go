package tracing

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/internal/tracecontext"
)

const (
	theirTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	theirSpan  = "00f067aa0ba902b7"
	theirs     = "00-" + theirTrace + "-" + theirSpan + "-01"
)

func newHub(t testing.TB, tracer *Tracer) *hub.Hub {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	observer := new(hub.Observer)
	tracer.Observe(observer)
	h, err := hub.New(broker, &hub.Options{Observer: observer, PublicationBytesMax: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

// From the publisher's span over that of the publication to that of its delivery, over
// a real network.
func TestPublicationIsTraced(t *testing.T) {
	c := newCollector()
	server := httptest.NewServer(c)
	defer server.Close()
	tracer := newTracer(t, nil, func(o *Options) {
		o.Endpoint, o.Service, o.Version = server.URL, "chat", "v1.2.3"
		o.Headers, o.Compress, o.Resource = http.Header{"Api-Key": {"k"}}, true, map[string]string{"deployment.environment.name": "test"}
	})
	h := newHub(t, tracer)
	for range 2 {
		s, err := h.Connect("test", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Subscribe(1, "chat", hub.SubscribeOptions{})
	}
	began := time.Now()
	m := hub.Message{Channel: "chat", Data: []byte("hello"), IdempotencyKey: "k", Attributes: &hub.Attributes{Trace: theirs}}
	position, _, err := h.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if _, isDuplicate, err := h.Publish(t.Context(), m); err != nil || !isDuplicate {
		t.Fatal(isDuplicate, err)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	named := c.spans(t)
	if len(named["publish"]) != 2 || len(named["deliver"]) != 1 || len(c.requests) != 1 {
		t.Fatalf("%d requests with %v", len(c.requests), named)
	}
	publish, again, deliver := named["publish"][0], named["publish"][1], named["deliver"][0]
	for _, s := range []*otlp.Span{publish, again, deliver} {
		if text(s.TraceId) != theirTrace || s.Flags != 0x301 || s.Status.GetCode() != otlp.Status_STATUS_CODE_UNSET ||
			s.StartTimeUnixNano < uint64(began.UnixNano()) || s.EndTimeUnixNano < s.StartTimeUnixNano || s.EndTimeUnixNano > uint64(time.Now().UnixNano()) {
			t.Errorf("%s is %v", s.Name, s)
		}
	}
	if text(publish.ParentSpanId) != theirSpan || text(deliver.ParentSpanId) != text(publish.SpanId) || text(again.SpanId) == text(publish.SpanId) {
		t.Errorf("the spans are not in each other: %v", named)
	}
	if publish.Kind != otlp.Span_SPAN_KIND_PRODUCER || deliver.Kind != otlp.Span_SPAN_KIND_CONSUMER {
		t.Errorf("the kinds are %v and %v", publish.Kind, deliver.Kind)
	}
	same(t, "publish", values(publish.Attributes), map[string]any{
		"messaging.system": "godwit", "messaging.operation.name": "publish", "messaging.destination.name": "chat", "messaging.message.body.size": 5,
		"messaging.message.id": position.String(), "godwit.transport": "server",
	})
	same(t, "deliver", values(deliver.Attributes), map[string]any{
		"messaging.system": "godwit", "messaging.operation.name": "deliver", "messaging.destination.name": "chat", "messaging.message.body.size": 5,
		"messaging.message.id": position.String(), "godwit.sessions": 2,
	})
	if values(again.Attributes)["godwit.duplicate"] != true {
		t.Errorf("the duplicate has %v", values(again.Attributes))
	}
	r := c.batches[0].ResourceSpans[0]
	same(t, "the resource", values(r.Resource.Attributes), map[string]any{
		"service.name": "chat", "service.version": "v1.2.3", "deployment.environment.name": "test", "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry",
	})
	if got := r.ScopeSpans[0].Scope; got.Name != scope || got.Version != "v1.2.3" {
		t.Errorf("the scope is %v", got)
	}
	request := c.requests[0]
	if request.Method != http.MethodPost || request.URL.Path != "/v1/traces" || request.Header.Get("Content-Type") != "application/x-protobuf" ||
		request.Header.Get("Content-Encoding") != "gzip" || request.Header.Get("Api-Key") != "k" {
		t.Errorf("the request is %s %s %v", request.Method, request.URL, request.Header)
	}
	if got := tracer.Stats(); got != (Stats{Sent: 3}) {
		t.Errorf("the stats are %+v", got)
	}
}

func text(id []byte) string {
	var b strings.Builder
	for _, c := range id {
		b.WriteByte("0123456789abcdef"[c>>4])
		b.WriteByte("0123456789abcdef"[c&15])
	}
	return b.String()
}

func same(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %s is %v, want %v", what, name, got[name], value)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: there is a %s, too", what, name)
		}
	}
}

// An error is noted by its kind: its text may quote what the client sent.
func TestFailuresAreTraced(t *testing.T) {
	c := newCollector()
	tracer := newTracer(t, c, nil)
	for _, err := range []error{hub.ErrUnanswered, errors.New("the password is hunter2")} {
		_, done := tracer.publishing("post", hub.Message{Channel: "c"})
		done(hub.Published{Err: err})
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := c.spans(t)["publish"]
	for i, kind := range []string{"timeout", "error"} {
		if s := spans[i]; s.Status.Code != otlp.Status_STATUS_CODE_ERROR || s.Status.Message != "" || values(s.Attributes)["error.type"] != kind {
			t.Errorf("%s is %v", kind, s)
		}
		if strings.Contains(spans[i].String(), "hunter2") {
			t.Error("the text of an error is in the span")
		}
	}
}

// Which publications are recorded, for every sampler and every parent.
func TestSampling(t *testing.T) {
	const unsampled = "00-" + theirTrace + "-" + theirSpan + "-00"
	low := "00-" + strings.Repeat("0", 31) + "1-" + theirSpan + "-00" // below every ratio
	for name, row := range map[string]struct {
		alter                                  func(*Options)
		root, sampled, unsampled, low, lowBoth bool
	}{
		"all":               {func(o *Options) {}, true, true, false, false, true},
		"none":              {func(o *Options) { o.Sample, o.NoSample = 0, true }, false, true, false, false, true},
		"all, own":          {func(o *Options) { o.IgnoreParent = true }, true, true, true, true, true},
		"none, own":         {func(o *Options) { o.Sample, o.NoSample, o.IgnoreParent = 0, true, true }, false, false, false, false, false},
		"a thousandth, own": {func(o *Options) { o.Sample, o.IgnoreParent = 1e-3, true }, false, false, false, true, true},
	} {
		tracer := newTracer(t, newCollector(), row.alter)
		for trace, want := range map[string]bool{"": row.root, theirs: row.sampled, unsampled: row.unsampled, low: row.low, low[:54] + "1": row.lowBoth} {
			m := hub.Message{Channel: "c"}
			if trace != "" {
				m.Attributes = &hub.Attributes{Trace: trace}
			} else if name == "a thousandth, own" {
				continue // by chance
			}
			own, done := tracer.publishing("", m)
			if got := done != nil; got != want || (own != "") != want {
				t.Errorf("%s: with the parent %q it is %v, want %v", name, trace, got, want)
			}
			if p, ok := tracecontext.Parse(own); want && (!ok || !p.Sampled) {
				t.Errorf("%s: the own trace is %q", name, own)
			}
		}
	}
	s := newSampler(&Options{Sample: 0.25})
	n := 0
	for range 10_000 {
		if s.begins() {
			n++
		}
	}
	if n < 2000 || n > 3000 { // ten standard deviations
		t.Errorf("of 10000 are %d sampled, want 2500", n)
	}
}

// An untraced request or publication costs nothing.
func TestUntracedAllocatesNothing(t *testing.T) {
	var off *Tracer
	o := new(hub.Observer)
	off.Observe(o)
	if o.Publishing != nil || o.Delivered != nil {
		t.Error("without a tracer the hub is watched")
	}
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	if _, ok := off.Handler(next).(http.HandlerFunc); !ok || off.RoundTripper(http.DefaultTransport) != http.DefaultTransport {
		t.Error("without a tracer something stands in the way")
	}
	if off.Stats() != (Stats{}) || off.Close(t.Context()) != nil {
		t.Error("a tracer that is nil does something")
	}

	on := newTracer(t, newCollector(), func(o *Options) { o.Sample, o.NoSample = 0, true })
	rare := newTracer(t, newCollector(), func(o *Options) { o.Sample = 1e-12 })
	m := hub.Message{Channel: "chat", Data: []byte("hello")}
	unsampled := hub.Message{Channel: "chat", Attributes: &hub.Attributes{Trace: theirs[:54] + "0"}}
	handler := on.Handler(next)
	request := httptest.NewRequest(http.MethodPost, "/api/v1/publish", nil)
	w := httptest.NewRecorder()
	for name, f := range map[string]func(){
		"a publication":        func() { on.publishing("post", m) },
		"a rare one":           func() { rare.publishing("post", m) },
		"one that is not ours": func() { on.publishing("post", unsampled) },
		"a request":            func() { handler.ServeHTTP(w, request) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, row := range []struct {
		name  string
		trace string
		alter func(*Options)
	}{
		{"off", "", nil},
		{"unsampled", "", func(o *Options) { o.Sample, o.NoSample = 0, true }},
		{"sampled", theirs, func(o *Options) { o.QueueMax = 1 }},
	} {
		b.Run(row.name, func(b *testing.B) {
			var tracer *Tracer
			if row.alter != nil {
				tracer = newTracer(b, newCollector(), row.alter)
			}
			h := newHub(b, tracer)
			m := hub.Message{Channel: "chat", Data: []byte("hello")}
			if row.trace != "" {
				m.Attributes = &hub.Attributes{Trace: row.trace}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := h.Publish(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
