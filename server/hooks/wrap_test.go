package hooks

import (
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/server/tracing"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What wraps the sender sees the trace of a publication that is asked about, and can
// hand it on.
func TestRequestsCanBeWrapped(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{}}`))
		h := a.start(t, Options{Publish: &Question{}, Wrap: func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				r.Header.Set("Traceparent", tracing.Trace(r.Context()))
				return next.RoundTrip(r)
			})
		}})
		for _, given := range []string{trace, ""} {
			if _, err := publish(h, PublishRequest{Channel: "c", Trace: given}); err != nil {
				t.Fatal(err)
			}
		}
		requests := a.requests()
		for i, want := range []string{trace, ""} {
			if got := requests[i].header.Get("Traceparent"); got != want {
				t.Errorf("request %d has the trace %q, want %q", i, got, want)
			}
			verifySignature(t, requests[i], testSecret)
		}
	})
}
