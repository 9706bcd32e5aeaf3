package engine_test

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/deflate"
)

// The engine is held to every case, on every driver, plain and compressing.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite takes ten seconds")
	}
	for name, compression := range map[string]*deflate.Options{"plain": nil, "deflate": {}} {
		t.Run(name, func(t *testing.T) {
			if compression == nil {
				skipUnderRace(t)
			}
			drivers(t, func(t *testing.T, s *engine.Server) {
				s.Handler = echo{}
				s.Subprotocols = []string{"echo", "chat"}
				s.Options = engine.Options{CloseTimeout: 5 * time.Second, Compression: compression}
				conforms(t, "ws://"+start(t, s)+"/echo?x=1")
			})
		})
	}
}

// skipUnderRace leaves a form of the suite to a run without the race detector, which makes all of
// them together take minutes. TestConformance/deflate has every case under it, on every driver.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("TestConformance/deflate stands for it under the race detector; .ci/run budgets runs this without")
	}
}

func conforms(t *testing.T, url string) {
	t.Helper()
	conformsOver(t, url, nil)
}

// conformsOver is conforms with the TLS of secure.
func conformsOver(t *testing.T, url string, secure *tls.Config) {
	t.Helper()
	// A minute for a case: a machine that is busy must not fail one.
	report, err := conformance.RunServer(t.Context(), url, conformance.Options{Timeout: time.Minute, TLS: secure})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Results {
		switch r.Verdict {
		case conformance.Fail, conformance.NonStrict:
			t.Errorf("%s %s: %s (%s)\n\t%s", r.Verdict, r.ID, r.Checks, r.Section, r.Detail)
		}
	}
	if report.Count(conformance.Pass) < 1000 {
		t.Errorf("only %d cases of %d passed", report.Count(conformance.Pass), len(report.Results))
	}
}
