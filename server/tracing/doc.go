// Package tracing records what happens to a publication, a webhook or a request of
// the server API as spans of OpenTelemetry, and sends them to a collector.
//
// A publication has one span from the moment the broker gets it until it has an outcome, and one
// for its delivery to the sessions here, with how many they were: never one for each. A
// trace is recorded if the publisher's W3C trace context says so, or by a ratio of our
// own; for everything else nothing is allocated and no clock is read. A nil *Tracer traces
// nothing.
//
// Spans wait in a bounded queue and are sent in batches, with OTLP over HTTP. What cannot be sent
// in time, or does not fit, is dropped and counted; nobody waits for it. docs/tracing.md is for
// the operator.
package tracing
