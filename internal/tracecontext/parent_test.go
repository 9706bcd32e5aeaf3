package tracecontext

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParse(t *testing.T) {
	for s, want := range map[string]struct{ ok, sampled bool }{
		example:                               {true, true},
		example[:54] + "0":                    {true, false},
		example[:53] + "03":                   {true, true},
		"01" + example[2:]:                    {true, true},
		"01" + example[2:] + "-more":          {true, true},
		"01" + example[2:] + "more":           {},
		example + "-more":                     {},
		example + " ":                         {},
		"ff" + example[2:]:                    {},
		"0" + example[2:]:                     {},
		"":                                    {},
		strings.ToUpper(example):              {},
		strings.Replace(example, "-", "_", 1): {},
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01": {},
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x": {},
	} {
		p, ok := Parse(s)
		if ok != want.ok || p.Sampled != want.sampled {
			t.Errorf("Parse(%q) is %+v, %v; want %+v", s, p, ok, want)
		}
		if !ok && p != (Parent{}) {
			t.Errorf("Parse(%q) is refused and still %+v", s, p)
		}
	}
	for n := range len(example) {
		if _, ok := Parse(example[:n]); ok {
			t.Errorf("the first %d bytes are a parent", n)
		}
	}
	if p, _ := Parse(example); p.String() != example {
		t.Errorf("it is written as %s", p)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Parse(example) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// OpenTelemetry's parser is the judge. It knows no flags but those of its own, so what
// it refuses for other flags of version 00 is left out.
func FuzzParse(f *testing.F) {
	f.Add(example)
	f.Add("01" + example[2:] + "-more")
	f.Add(example[:53] + "ff")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := Parse(s)
		ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": s})
		theirs := trace.SpanContextFromContext(ctx)
		if theirs.IsValid() && (!ok || p.Trace != theirs.TraceID() || p.Span != theirs.SpanID() || p.Sampled != theirs.IsSampled()) {
			t.Fatalf("%q is %+v, %v; OpenTelemetry has %+v", s, p, ok, theirs)
		}
		if !ok {
			return
		}
		if again, ok := Parse(p.String()); !ok || again != p {
			t.Fatalf("%q is %+v, and %s is %+v", s, p, p, again)
		}
	})
}
