package server

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/tracing"
)

// Everything that happens is counted where it belongs, and every series is there before
// it does.
func TestMetricsOfTrust(t *testing.T) {
	m := someMetrics()
	at := time.Unix(2_000_000_000, 0)
	m.watchCertificates(func() []certificateExpiry {
		return []certificateExpiry{{"b.example", at}, {"a.example", at.Add(time.Hour)}, {"a.example", at}}
	})
	m.watchTraces(func() tracing.Stats { return tracing.Stats{Sent: 1, Dropped: 2, Failed: 3, Queued: 4} })
	m.watchHooks(func() hooks.Stats {
		return hooks.Stats{
			Connect: hooks.QuestionStats{Running: 5, Waiting: 6, Open: true}, Publish: hooks.QuestionStats{Running: 7},
			Events: hooks.EventStats{Queued: 8, QueuedBytes: 9, Damped: 10, Gone: true},
		}
	})
	m.watchFlight(func() flight.Stats {
		return flight.Stats{Events: 11, Bytes: 12, Evicted: 13, Oldest: time.Unix(14, 500e6)}
	})
	before := exposition(t, m.trust.collectors()...)
	for _, name := range []string{
		`refusals_total{action="connect",cause="too_many"}`, `refusals_total{action="manage",cause="denied"}`, `rate_limited_total{kind="handshakes"}`,
		`token_verifications_total{outcome="valid"}`, `hook_calls_total{hook="subscribe",outcome="changed"}`, `hook_duration_seconds_count{hook="events"}`,
		`hook_events_given_up_total{reason="too_old"}`, `hook_events_total{outcome="failed"}`, `config_reloads_total{outcome="failure"}`,
	} {
		if !strings.Contains("\n"+before, "\ngodwit_"+name+" 0\n") {
			t.Errorf("godwit_%s is not 0 from the beginning", name)
		}
	}

	m.refused(0, access.Unauthenticated)
	m.refused(access.Publish, access.Denied)
	m.refused(access.Publish, access.Cause(99))
	m.rateLimited(guard.LimitPublicationsOfUser)
	m.verified(guard.Invalid)
	o := m.hooksObserver()
	o.Answered("publish", hooks.Changed, 20*time.Millisecond)
	o.Answered("publish", hooks.Refused, 0)
	o.Told(3, hooks.Delivered, time.Second)
	o.GivenUp(4, hooks.QueueFull)
	m.reloaded(nil)
	m.reloaded(errors.New("it is wrong"))

	text := exposition(t, m.trust.collectors()...)
	for name, value := range map[string]string{
		`refusals_total{action="connect",cause="unauthenticated"}`: "1", `refusals_total{action="publish",cause="denied"}`: "1",
		`refusals_total{action="publish",cause="expired"}`: "0", `rate_limited_total{kind="publications_user"}`: "1", `rate_limited_total{kind="handshakes"}`: "0",
		`token_verifications_total{outcome="invalid"}`: "1", `hook_calls_total{hook="publish",outcome="changed"}`: "1", `hook_calls_total{hook="publish",outcome="refused"}`: "1",
		`hook_duration_seconds_count{hook="publish"}`: "1", `hook_duration_seconds_sum{hook="publish"}`: "0.02", `hook_duration_seconds_count{hook="events"}`: "1",
		`hook_events_total{outcome="delivered"}`: "3", `hook_events_given_up_total{reason="queue_full"}`: "4",
		`config_reloads_total{outcome="success"}`: "1", `config_reloads_total{outcome="failure"}`: "1", "config_last_reload_successful": "0",
		`trace_spans_total{outcome="sent"}`: "1", `trace_spans_total{outcome="dropped"}`: "2", `trace_spans_total{outcome="failed"}`: "3", "trace_spans_queued": "4",
		"flight_events": "11", "flight_bytes": "12", "flight_evicted_total": "13", "flight_oldest_timestamp_seconds": "14.5",
		`hook_calls_running{hook="connect"}`: "5", `hook_calls_waiting{hook="connect"}`: "6", `hook_breaker_open{hook="connect"}`: "1", `hook_breaker_open{hook="publish"}`: "0",
		`hook_calls_running{hook="publish"}`: "7", "hook_events_queued": "8", "hook_events_queued_bytes": "9", "hook_events_damped": "10", "hook_events_gone": "1",
		`tls_certificate_expiry_timestamp_seconds{domain="a.example"}`: "2e+09", `tls_certificate_expiry_timestamp_seconds{domain="b.example"}`: "2e+09",
	} {
		if !strings.Contains("\n"+text, "\ngodwit_"+name+" "+value+"\n") {
			t.Errorf("godwit_%s is not %s:\n%s", name, value, text)
		}
	}
	if strings.Contains(text, `cause="99"`) {
		t.Error("there is a series of a cause that does not exist")
	}
	m.reloaded(nil)
	if text := exposition(t, m.trust.reloadOK); !strings.Contains(text, "godwit_config_last_reload_successful 1\n") {
		t.Errorf("after a reload that worked:\n%s", text)
	}
}
