package tracing

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// A traced request, a request that it leads to, and what each span says.
func TestRequestsAreTraced(t *testing.T) {
	c := newCollector()
	tracer := newTracer(t, c, nil)
	var webhook http.Header
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		webhook = r.Header
		w.WriteHeader(http.StatusForbidden)
	}))
	defer application.Close()
	client := &http.Client{Transport: tracer.RoundTripper(http.DefaultTransport)}
	defer client.CloseIdleConnections()

	var inside string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/users/{user}/messages", func(w http.ResponseWriter, r *http.Request) {
		inside = Trace(r.Context())
		if _, err := io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		ctx := WithTrace(context.WithoutCancel(r.Context()), "")
		q, err := http.NewRequestWithContext(ctx, http.MethodPost, application.URL+"/hooks/secret?token=hunter2", strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			return
		}
		response, err := client.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		response.Body.Close()
		if q.Header.Get("Traceparent") != "" {
			t.Error("the request of the caller was changed")
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusServiceUnavailable)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(tracer.Handler(mux))
	defer server.Close()
	ask := func(trace ...string) {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/api/v1/users/ann/messages?token=hunter2", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Traceparent"] = trace
		r.Header.Set("Tracestate", "vendor=abc")
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("the status is %s", response.Status)
		}
	}
	ask(theirs)
	toApplication := webhook
	ask(theirs[:54] + "0") // they do not record it, but our webhook may begin a trace
	server.Close()
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	named := c.spans(t)
	requests, hooks := named["POST /api/v1/users/{user}/messages"], named["POST"]
	if len(requests) != 1 || len(hooks) != 2 {
		t.Fatalf("the spans are %v", named)
	}
	request, hook := requests[0], hooks[0]
	if text(request.TraceId) != theirTrace || text(request.ParentSpanId) != theirSpan || request.TraceState != "vendor=abc" ||
		request.Kind != otlp.Span_SPAN_KIND_SERVER || request.Status.Code != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the request is %v", request)
	}
	same(t, "the request", values(request.Attributes), map[string]any{
		"http.request.method": "POST", "url.path": "/api/v1/users/ann/messages", "http.route": "POST /api/v1/users/{user}/messages", "http.response.status_code": 503,
	})
	if text(hook.TraceId) != theirTrace || text(hook.ParentSpanId) != text(request.SpanId) || hook.Kind != otlp.Span_SPAN_KIND_CLIENT ||
		hook.Status.Code != otlp.Status_STATUS_CODE_ERROR || hook.Flags&flagIsRemote != 0 {
		t.Errorf("the webhook is %v", hook)
	}
	same(t, "the webhook", values(hook.Attributes), map[string]any{
		"http.request.method": "POST", "server.address": strings.TrimPrefix(application.URL, "http://"), "http.response.status_code": 403,
	})
	if got, want := toApplication.Get("Traceparent"), "00-"+theirTrace+"-"+text(hook.SpanId)+"-01"; got != want || toApplication.Get("Tracestate") != "vendor=abc" {
		t.Errorf("the application gets %q and %q, want %q", got, toApplication.Get("Tracestate"), want)
	}
	if inside != "" {
		t.Errorf("in a request that is not recorded the trace is %q", inside)
	}
	for name, spans := range named {
		for _, s := range spans {
			if strings.Contains(s.String(), "hunter2") || strings.Contains(s.String(), "secret") {
				t.Errorf("there is a secret in %s: %v", name, s)
			}
		}
	}
}

// A handler that panics and a request that fails have spans, too.
func TestBrokenRequestsAreTraced(t *testing.T) {
	c := newCollector()
	tracer := newTracer(t, c, nil)
	func() {
		defer func() {
			if recover() != http.ErrAbortHandler {
				t.Error("the panic does not go on")
			}
		}()
		r := httptest.NewRequest("BREW", "/", nil)
		r.Header["Traceparent"] = []string{theirs, theirs} // which is none
		tracer.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).ServeHTTP(httptest.NewRecorder(), r)
	}()
	broken := errors.New("connection refused by hunter2")
	r := httptest.NewRequest(http.MethodGet, "http://a.example/", nil).WithContext(WithTrace(t.Context(), theirs))
	if _, err := tracer.RoundTripper(roundTrip(func(*http.Request) (*http.Response, error) { return nil, broken })).RoundTrip(r); err != broken {
		t.Error(err)
	}
	if err := tracer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	named := c.spans(t)
	if s := named["_OTHER"][0]; len(s.ParentSpanId) > 0 || values(s.Attributes)["http.response.status_code"] != 500 || s.Status.Code != otlp.Status_STATUS_CODE_ERROR {
		t.Errorf("the panic is %v", s)
	}
	if s := named["GET"][0]; text(s.ParentSpanId) != theirSpan || values(s.Attributes)["error.type"] != "error" || strings.Contains(s.String(), "hunter2") {
		t.Errorf("the failure is %v", s)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
