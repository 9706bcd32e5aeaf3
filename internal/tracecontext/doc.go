// Package tracecontext reads and writes the header field traceparent of W3C Trace
// Context, by which programs tell each other to which trace a request belongs.
package tracecontext
