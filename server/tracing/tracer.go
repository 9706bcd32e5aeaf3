package tracing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/tracecontext"
)

// Tracer records traces. Its methods are safe for concurrent use, and none but Close
// waits for anything. A nil *Tracer records nothing.
type Tracer struct {
	sampler  sampler
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *queue
}

// scope is what the spans are said to come from.
const scope = "github.com/godwit-io/godwit"

// Bounds of what a span holds.
const (
	attributesMax     = 32
	attributeBytesMax = 1024
)

// New returns a Tracer that must be closed. It does not connect to the collector
// before there is something to send. The error is an *OptionError.
func New(o *Options) (*Tracer, error) {
	e, u, err := o.effective()
	if err != nil {
		return nil, err
	}
	attributes := make([]attribute.KeyValue, 0, len(e.Resource)+5)
	for name, value := range e.Resource {
		attributes = append(attributes, attribute.String(name, value))
	}
	attributes = append(attributes, attribute.String("service.name", e.Service), attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.name", "opentelemetry"))
	if e.Version != "" {
		attributes = append(attributes, attribute.String("service.version", e.Version))
	}
	t := &Tracer{sampler: newSampler(&e), queue: newQueue(&e, newExporter(&e, u))}
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()), // it is only asked for what is recorded
		sdktrace.WithSpanProcessor(t.queue),
		sdktrace.WithResource(resource.NewSchemaless(attributes...)),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{AttributeCountLimit: attributesMax, AttributeValueLengthLimit: attributeBytesMax}),
	)
	t.tracer = t.provider.Tracer(scope, trace.WithInstrumentationVersion(e.Version))
	return t, nil
}

// Close sends the waiting spans, until ctx ends; the rest is dropped then. What happens
// after Close is not recorded. The error says how many spans were lost by that.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if lost := t.queue.close(ctx); lost > 0 {
		return fmt.Errorf("tracing: %d spans were dropped, for the collector did not take them in time", lost)
	}
	return nil
}

// Stats are what became of the spans so far.
type Stats struct {
	Sent    uint64 // taken by the collector
	Dropped uint64 // because too many waited
	Failed  uint64 // not taken by the collector: refused, or not in time
	Queued  int    // waiting, or being sent
}

// Stats returns the state at this moment.
func (t *Tracer) Stats() Stats {
	if t == nil {
		return Stats{}
	}
	return t.queue.stats()
}

// Observe has o tell t of publications and deliveries. It changes nothing if t is nil, so
// that a server without traces does no work for them.
func (t *Tracer) Observe(o *hub.Observer) {
	if t != nil {
		o.Publishing, o.Delivered = t.publishing, t.delivered
	}
}

// publishing begins the span of a publication, see hub.Observer.
func (t *Tracer) publishing(transport string, m hub.Message) (own string, done func(hub.Published)) {
	ctx := context.Background()
	given := ""
	if m.Attributes != nil {
		given = m.Attributes.Trace
	}
	if p, ok := tracecontext.Parse(given); ok {
		if !t.sampler.follows(p) {
			return "", nil
		}
		ctx = withParent(ctx, p)
	} else if !t.sampler.begins() {
		return "", nil
	}
	if transport == "" {
		transport = "server"
	}
	_, span := t.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		system, operation("publish"), destination(m.Channel),
		attribute.Int("messaging.message.body.size", len(m.Data)),
		attribute.String("godwit.transport", transport),
	))
	return parentOf(span.SpanContext()).String(), func(p hub.Published) {
		switch {
		case p.Err != nil:
			fail(span, p.Err)
		case p.Duplicate:
			span.SetAttributes(attribute.Bool("godwit.duplicate", true), attribute.String("messaging.message.id", p.Position.String()))
		default:
			span.SetAttributes(attribute.String("messaging.message.id", p.Position.String()))
		}
		span.End()
	}
}

// delivered records the delivery of a publication, see hub.Observer.
func (t *Tracer) delivered(p *hub.Publication, sessions int, began time.Time) {
	parent, ok := tracecontext.Parse(p.Attributes.Trace)
	if !ok || !t.sampler.follows(parent) {
		return
	}
	_, span := t.tracer.Start(withParent(context.Background(), parent), "deliver",
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began), trace.WithAttributes(
			system, operation("deliver"), destination(p.Channel),
			attribute.String("messaging.message.id", p.Position.String()),
			attribute.Int("messaging.message.body.size", len(p.Data)),
			attribute.Int("godwit.sessions", sessions),
		))
	span.End()
}

var system = attribute.String("messaging.system", "godwit")

func operation(name string) attribute.KeyValue {
	return attribute.String("messaging.operation.name", name)
}

func destination(channel string) attribute.KeyValue {
	return attribute.String("messaging.destination.name", channel)
}

// fail notes why what the span is about did not work. Texts of errors may quote what a
// client sent, so only their kind is noted.
func fail(span trace.Span, err error) {
	kind := "error"
	var refusal *access.Refusal
	switch {
	case errors.As(err, &refusal):
		kind = "refused"
	case errors.Is(err, hub.ErrUnanswered), errors.Is(err, context.DeadlineExceeded):
		kind = "timeout"
	case errors.Is(err, context.Canceled):
		kind = "canceled"
	}
	span.SetAttributes(attribute.String("error.type", kind))
	span.SetStatus(codes.Error, "")
}

// withParent is ctx in the span p of another program.
func withParent(ctx context.Context, p tracecontext.Parent) context.Context {
	c := trace.SpanContextConfig{TraceID: p.Trace, SpanID: p.Span, Remote: true}
	if p.Sampled {
		c.TraceFlags = trace.FlagsSampled
	}
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(c))
}

func parentOf(c trace.SpanContext) tracecontext.Parent {
	return tracecontext.Parent{Trace: c.TraceID(), Span: c.SpanID(), Sampled: c.IsSampled()}
}

// Trace is the span that ctx is in, as the header field traceparent has it, or "" if none
// is recorded: what hub.Attributes.Trace of a publication is to be that is made for a
// request.
func Trace(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.IsSampled() && c.IsValid() {
		return parentOf(c).String()
	}
	return ""
}

// WithTrace is ctx in the span of traceparent, which is hub.Attributes.Trace of a
// publication, for example. If there is none it is ctx.
func WithTrace(ctx context.Context, traceparent string) context.Context {
	if p, ok := tracecontext.Parse(traceparent); ok {
		return withParent(ctx, p)
	}
	return ctx
}
