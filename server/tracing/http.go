package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/godwit-io/godwit/internal/tracecontext"
)

// stateField is the header field that goes with traceparent, for makers of tracers.
const stateField = "Tracestate"

// Handler returns next with a span for each request: the context of a recorded
// request is in it. The query, where tokens may be, is not recorded. If t is nil it
// returns next.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, ok := t.accept(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		ctx, span := t.tracer.Start(ctx, method(r), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
			attribute.String("http.request.method", method(r)),
			attribute.String("url.path", r.URL.Path),
		))
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		r = r.WithContext(ctx)
		isOver := false
		defer func() {
			if !isOver { // it panics
				rec.status = http.StatusInternalServerError
			}
			if r.Pattern != "" { // a ServeMux has found it
				span.SetName(r.Pattern)
				span.SetAttributes(attribute.String("http.route", r.Pattern))
			}
			span.SetAttributes(attribute.Int("http.response.status_code", rec.status))
			if rec.status >= 500 {
				span.SetStatus(codes.Error, "")
			}
			span.End()
		}()
		next.ServeHTTP(rec, r)
		isOver = true
	})
}

// accept returns the context for the span of a request, and whether it is recorded.
func (t *Tracer) accept(r *http.Request) (context.Context, bool) {
	var p tracecontext.Parent
	hasParent := false
	if given := r.Header[tracecontext.Field]; len(given) == 1 { // of several none counts
		p, hasParent = tracecontext.Parse(given[0])
	}
	if !hasParent {
		return r.Context(), t.sampler.begins()
	}
	if !t.sampler.follows(p) {
		return nil, false
	}
	ctx := withParent(r.Context(), p)
	if state, err := trace.ParseTraceState(r.Header.Get(stateField)); err == nil && state.Len() > 0 {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.SpanContextFromContext(ctx).WithTraceState(state))
	}
	return ctx, true
}

// method is that of a request, if it is one that everybody knows.
func method(r *http.Request) string {
	switch r.Method {
	case "":
		return http.MethodGet
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "_OTHER"
}

// recorder remembers the status of a response.
type recorder struct {
	http.ResponseWriter
	status  int
	written bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.written && status >= 200 { // others announce a response to come
		r.status, r.written = status, true
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.written = true
	return r.ResponseWriter.Write(p)
}

// Unwrap lets an http.ResponseController find the rest.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// RoundTripper returns next with a span for each request, which goes on in the header
// field traceparent of it. The span belongs to that of the request's context, see
// WithTrace. It ends with the head of the response. Neither the path nor the query, where
// tokens may be, are recorded. If t is nil it returns next.
func (t *Tracer) RoundTripper(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return &roundTripper{t, next}
}

type roundTripper struct {
	tracer *Tracer
	next   http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if given := trace.SpanContextFromContext(ctx); given.IsValid() {
		if !c.tracer.sampler.follows(parentOf(given)) {
			return c.next.RoundTrip(r)
		}
	} else if !c.tracer.sampler.begins() {
		return c.next.RoundTrip(r)
	}
	ctx, span := c.tracer.tracer.Start(ctx, method(r), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", method(r)),
		attribute.String("server.address", r.URL.Host),
	))
	defer span.End()
	r = r.Clone(ctx)
	r.Header.Set(tracecontext.Field, parentOf(span.SpanContext()).String())
	if state := span.SpanContext().TraceState().String(); state != "" {
		r.Header.Set(stateField, state)
	}
	response, err := c.next.RoundTrip(r)
	if err != nil {
		fail(span, err)
		return nil, err
	}
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= 400 {
		span.SetStatus(codes.Error, "")
	}
	return response, nil
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (c *roundTripper) CloseIdleConnections() {
	if next, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}
