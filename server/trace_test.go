package server

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/godwit-io/godwit/ws"
)

// A client's trace goes through the server to the collector, on loops and on
// goroutines, and what waits is sent when the server stops.
func TestPublicationsAreTraced(t *testing.T) {
	const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, driver := range []string{driverEngine, driverGoroutine} {
		var mu sync.Mutex
		spans := make(map[string]*otlp.Span)
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			data := new(otlp.TracesData)
			if err == nil {
				err = proto.Unmarshal(body, data)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, rs := range data.ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						spans[s.Name] = s
					}
				}
			}
		}))
		s := start(t, Config{Driver: driver, Tracing: Tracing{Endpoint: collector.URL, Sample: new(0.0)}})
		conn, _, err := ws.Dial(t.Context(), s.url+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, traceparent := range []string{"00-" + trace + "-" + span + "-01", ""} { // the second one is not recorded
			if a := s.do(t, http.MethodPost, "/channels/chat", "hello", "Traceparent", traceparent); a.StatusCode != http.StatusCreated {
				t.Fatal(a.Status)
			}
			if _, _, err := conn.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if text := s.do(t, http.MethodGet, "/metrics", "").body; !strings.Contains(text, "\ngodwit_trace_spans_queued 2\n") {
			t.Errorf("%s: there are not two spans in /metrics", driver)
		}
		conn.CloseNow()
		http.DefaultClient.CloseIdleConnections()
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		collector.Close()
		mu.Lock()
		publish, deliver := spans["publish"], spans["deliver"]
		mu.Unlock()
		if len(spans) != 2 || publish == nil || deliver == nil {
			t.Fatalf("%s: the spans are %v", driver, spans)
		}
		if hex.EncodeToString(publish.TraceId) != trace || hex.EncodeToString(publish.ParentSpanId) != span ||
			hex.EncodeToString(deliver.TraceId) != trace || string(deliver.ParentSpanId) != string(publish.SpanId) {
			t.Errorf("%s: the spans are not in each other: %v", driver, spans)
		}
	}
}
