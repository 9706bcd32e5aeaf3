package tracing

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of fields in opentelemetry/proto/trace/v1/trace.proto, common.proto and
// resource.proto of OTLP 1. Numbers of protocol buffers are never reused.
const (
	requestResourceSpans = 1

	resourceSpansResource   = 1
	resourceSpansScopeSpans = 2
	resourceAttributes      = 1

	scopeSpansScope = 1
	scopeSpansSpans = 2
	scopeName       = 1
	scopeVersion    = 2

	spanTraceID           = 1
	spanSpanID            = 2
	spanTraceState        = 3
	spanParentSpanID      = 4
	spanName              = 5
	spanKind              = 6
	spanStart             = 7
	spanEnd               = 8
	spanAttributes        = 9
	spanDroppedAttributes = 10
	spanStatus            = 15
	spanFlags             = 16

	statusCode = 3

	keyValueKey   = 1
	keyValueValue = 2
	anyString     = 1
	anyBool       = 2
	anyInt        = 3

	responsePartialSuccess = 1
	partialRejected        = 1
)

// Flags of a span besides those of W3C.
const (
	flagKnowsRemote = 1 << 8
	flagIsRemote    = 1 << 9
)

// Codes of a status, which are not the numbers of package codes.
const (
	codeOK    = 1
	codeError = 2
)

// appendRequest appends an ExportTraceServiceRequest of spans, which are all of one
// Tracer: their resource and scope are the same.
func appendRequest(dst []byte, spans []sdktrace.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return dst
	}
	first := spans[0]
	return appendMessage(dst, requestResourceSpans, func(dst []byte) []byte {
		dst = appendMessage(dst, resourceSpansResource, func(dst []byte) []byte {
			for _, a := range first.Resource().Attributes() {
				dst = appendAttribute(dst, resourceAttributes, a)
			}
			return dst
		})
		return appendMessage(dst, resourceSpansScopeSpans, func(dst []byte) []byte {
			dst = appendMessage(dst, scopeSpansScope, func(dst []byte) []byte {
				dst = appendText(dst, scopeName, first.InstrumentationScope().Name)
				return appendText(dst, scopeVersion, first.InstrumentationScope().Version)
			})
			for _, s := range spans {
				dst = appendMessage(dst, scopeSpansSpans, func(dst []byte) []byte { return appendSpan(dst, s) })
			}
			return dst
		})
	})
}

func appendSpan(dst []byte, s sdktrace.ReadOnlySpan) []byte {
	c, parent := s.SpanContext(), s.Parent()
	traceID, spanID := c.TraceID(), c.SpanID()
	dst = appendBytes(dst, spanTraceID, traceID[:])
	dst = appendBytes(dst, spanSpanID, spanID[:])
	dst = appendText(dst, spanTraceState, c.TraceState().String())
	flags := uint32(c.TraceFlags()) | flagKnowsRemote
	if parent.SpanID().IsValid() {
		parentID := parent.SpanID()
		dst = appendBytes(dst, spanParentSpanID, parentID[:])
		if parent.IsRemote() {
			flags |= flagIsRemote
		}
	}
	dst = appendText(dst, spanName, s.Name())
	dst = appendNumber(dst, spanKind, uint64(s.SpanKind())) // the numbers are the same
	dst = appendTime(dst, spanStart, s.StartTime())
	dst = appendTime(dst, spanEnd, s.EndTime())
	for _, a := range s.Attributes() {
		dst = appendAttribute(dst, spanAttributes, a)
	}
	dst = appendNumber(dst, spanDroppedAttributes, uint64(s.DroppedAttributes()))
	dst = appendMessage(dst, spanStatus, func(dst []byte) []byte {
		switch s.Status().Code {
		case codes.Error:
			dst = appendNumber(dst, statusCode, codeError)
		case codes.Ok:
			dst = appendNumber(dst, statusCode, codeOK)
		}
		return dst
	})
	dst = protowire.AppendTag(dst, spanFlags, protowire.Fixed32Type)
	return protowire.AppendFixed32(dst, flags)
}

func appendAttribute(dst []byte, field protowire.Number, a attribute.KeyValue) []byte {
	return appendMessage(dst, field, func(dst []byte) []byte {
		dst = appendText(dst, keyValueKey, string(a.Key))
		return appendMessage(dst, keyValueValue, func(dst []byte) []byte {
			// A zero is written, too: without a field there would be no value.
			switch a.Value.Type() {
			case attribute.BOOL:
				dst = protowire.AppendTag(dst, anyBool, protowire.VarintType)
				return protowire.AppendVarint(dst, protowire.EncodeBool(a.Value.AsBool()))
			case attribute.INT64:
				dst = protowire.AppendTag(dst, anyInt, protowire.VarintType)
				return protowire.AppendVarint(dst, uint64(a.Value.AsInt64()))
			}
			dst = protowire.AppendTag(dst, anyString, protowire.BytesType)
			return protowire.AppendString(dst, a.Value.Emit())
		})
	})
}

// appendMessage appends a message within a message: its length stands before it.
func appendMessage(dst []byte, field protowire.Number, content func([]byte) []byte) []byte {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	begin := len(dst)
	dst = content(append(dst, 0)) // most are shorter than 128 bytes
	n := len(dst) - begin - 1
	if extra := protowire.SizeVarint(uint64(n)) - 1; extra > 0 {
		dst = append(dst, make([]byte, extra)...)
		copy(dst[begin+1+extra:], dst[begin+1:])
	}
	protowire.AppendVarint(dst[:begin], uint64(n))
	return dst
}

func appendBytes(dst []byte, field protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), b)
}

func appendText(dst []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), s)
}

func appendNumber(dst []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), n)
}

func appendTime(dst []byte, field protowire.Number, at time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), uint64(max(0, at.UnixNano())))
}

// parseRejected reads from an ExportTraceServiceResponse how many spans the collector did not
// take. What makes no sense says that it took all: the status said so.
func parseRejected(response []byte) int {
	partial, _ := field(response, responsePartialSuccess, protowire.BytesType)
	_, rejected := field(partial, partialRejected, protowire.VarintType)
	return int(min(rejected, 1<<31-1))
}

// field returns the last value of a field of a message.
func field(message []byte, number protowire.Number, kind protowire.Type) (content []byte, value uint64) {
	for len(message) > 0 {
		n, k, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return nil, 0
		}
		size := protowire.ConsumeFieldValue(n, k, message[tag:])
		if size < 0 {
			return nil, 0
		}
		if n == number && k == kind {
			if kind == protowire.BytesType {
				content, _ = protowire.ConsumeBytes(message[tag:])
			} else {
				value, _ = protowire.ConsumeVarint(message[tag:])
			}
		}
		message = message[tag+size:]
	}
	return content, value
}
