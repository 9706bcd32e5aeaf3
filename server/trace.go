package server

import (
	"context"
	"os"
	"time"

	"github.com/godwit-io/godwit/server/tracing"
)

// newTracer returns what records traces, nil if the configuration and the variables of
// OpenTelemetry name no collector.
func (s *Server) newTracer(c *Tracing) (*tracing.Tracer, error) {
	o := tracing.Options{Endpoint: c.Endpoint, Version: ThisBuild().Version, Logger: s.log}
	if c.Service != DefaultTracingService { // which leaves the variable its say
		o.Service = c.Service
	}
	if sample := c.Sample; sample != nil && *sample != DefaultTracingSample {
		o.Sample, o.NoSample = *sample, *sample == 0
	}
	o, warnings := o.WithEnvironment(os.Getenv)
	for _, w := range warnings {
		s.log.Warn("variable of OpenTelemetry ignored", "reason", w.Error())
	}
	if o.Endpoint == "" {
		return nil, nil
	}
	t, err := tracing.New(&o)
	if err != nil {
		return nil, failed("tracing", err)
	}
	s.metrics.watchTraces(t.Stats)
	return t, nil
}

// tracerTimeout is how long sending what is left may take at the end. It is no part of
// the time to drain, which may be over; and a collector that is away does not hold the
// end up for long.
const tracerTimeout = 2 * time.Second

// closeTracer sends what waits.
func (s *Server) closeTracer() {
	if s.tracer != nil {
		ctx, cancel := context.WithTimeout(context.Background(), tracerTimeout)
		defer cancel()
		_ = s.tracer.Close(ctx) // an error says that spans were dropped, which is counted
	}
}
