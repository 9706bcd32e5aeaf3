package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/wrongscheme"
)

// inspector is one Run.
type inspector struct {
	options Options
	header  http.Header // what may be sent to the present origin
	report  *Report
	worked  map[string]string // host:port to the address that accepted a connection

	isGodwit bool // what answers is godwit serve, as a refusal gave away
}

// Run inspects the endpoint that target names: a URL with the scheme ws, wss,
// http or https, or host, host:port or host/path, for which it guesses the scheme
// and says so. o may be nil.
//
// Faults of the endpoint are in the report, not in the error. The error
// is a *TargetError, a *handshake.FieldError, or names an option, if target or o
// cannot be used, and the report then nil; or the context's, and the report then ends where it
// was. Runs may be concurrent.
func Run(ctx context.Context, target string, o *Options) (*Report, error) {
	t, asHTTP, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	in := &inspector{
		options: options,
		report:  &Report{Target: printable(t.given(target), 2048), Started: time.Now().UTC(), Findings: []Finding{}, Exchanges: []*Exchange{}, Probes: []Probe{}},
		worked:  map[string]string{},
	}
	in.header = in.options.Header.Clone()
	if in.options.Origin == "" {
		in.options.Origin = in.header.Get("Origin")
	}
	in.header.Del("Origin")
	if _, err := (&attempt{target: t}).request(in.spec()); err != nil {
		return nil, err
	}
	switch {
	case t.guessed:
		in.found("scheme-guessed", "The target has no scheme; it was taken for "+t.String()+".", "Give the whole URL to leave nothing to guess.")
	case asHTTP:
		in.found("scheme-http", "The URL was taken for "+t.String()+": a WebSocket begins as a request for the http URL of the same name.", "")
	}
	in.inspect(ctx, t)
	in.finish()
	return in.report, ctx.Err()
}

// given is the target as it was given, unless it has what may be secret.
func (t *target) given(text string) string {
	if t.url.User == nil && t.url.RawQuery == "" {
		return text
	}
	return t.String()
}

// inspect follows t to where a handshake is answered, and explains the answer.
func (in *inspector) inspect(ctx context.Context, t *target) {
	seen := map[string]bool{}
	for {
		seen[t.url.String()] = true
		in.report.URL = t.String()
		a := in.attempt(ctx, t, in.spec())
		in.report.Exchanges = append(in.report.Exchanges, a.x)
		if ctx.Err() != nil {
			a.close()
			return
		}
		if scheme := in.rightScheme(ctx, a); scheme != "" {
			a.close()
			t = t.with(scheme)
			in.found("scheme-wrong-guess", "The guess was wrong, so "+t.String()+" was tried.", "")
			continue
		}
		if !in.judgeWay(ctx, a) {
			return
		}
		if a.head.status == 101 {
			in.open(ctx, a)
			return
		}
		a.close()
		describeFields(a)
		next, redirected := in.redirect(a, seen)
		if next == nil {
			if !redirected {
				in.refused(ctx, a)
			}
			return
		}
		t = next
	}
}

// rightScheme returns the scheme to try instead, if that of a was guessed and a
// failed because of it, and "" otherwise.
func (in *inspector) rightScheme(ctx context.Context, a *attempt) string {
	t := a.target
	if !t.guessed {
		return ""
	}
	var record tls.RecordHeaderError
	kind := errorKind(a.err)
	switch {
	case a.stage == atTLS && errors.As(a.err, &record) && looksLikeHTTP(record.RecordHeader[:]):
		return "ws"
	case a.stage == atTCP && t.secure() && t.url.Port() == "" && kind == refused:
		return "ws"
	case a.stage == atResponse && !t.secure() && wrongscheme.IsAlert(a.raw), a.stage == answered && !t.secure() && saysTLS(a):
		return "wss"
	case a.stage == atResponse && !t.secure() && len(a.raw) == 0 && kind != timedOut && in.speaksTLS(ctx, t.with("wss")):
		return "wss"
	}
	return ""
}

// judgeWay says how the way to the answer was, and reports whether there is one.
func (in *inspector) judgeWay(ctx context.Context, a *attempt) bool {
	x := a.x
	if x.Proxy != "" {
		in.found("proxy-used", "The connection went through the proxy "+x.Proxy+", which the environment names.",
			"If the endpoint works without it, list the host in NO_PROXY.")
	}
	switch {
	case a.stage == atProxy:
		in.judgeProxy(x, a.err)
		return false
	case x.Proxy != "":
	case a.stage == atDNS:
		in.judgeDNS(a.target.host(), a.err)
		return false
	case a.stage == atTCP:
		in.judgeTCP(a.target, x, a.err)
		return false
	default:
		in.judgeConnected(x)
	}
	if x.TLS != nil {
		in.judgeTLS(x, a.tls)
	}
	switch {
	case a.stage == atTLS && errors.Is(a.err, errUntrusted):
		return false
	case a.stage == atTLS:
		in.judgeTLSFailure(ctx, a)
		return false
	case a.stage == atResponse:
		in.judgeNoResponse(ctx, a)
		return false
	}
	in.judgeHead(a)
	return true
}

// finish sorts the findings, and sums them up.
func (in *inspector) finish() {
	r := in.report
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return slices.Index(Steps, a.Step) - slices.Index(Steps, b.Step)
	})
	r.Works = r.Session != nil && r.Count(Error) == 0
	r.Duration = time.Since(r.Started)
	r.Summary = r.summarize()
}

// causes are findings that explain others: the summary names them first.
var causes = []string{"origin-decides", "extensions-break", "subprotocol-breaks", "redirect-loop", "redirect-limit", "redirect-insecure", "redirect-nowhere", "draft-old"}

func (r *Report) summarize() string {
	var worst *Finding
	for i := range r.Findings {
		f := &r.Findings[i]
		switch {
		case f.Grade != Error:
		case worst == nil, worst.ID == "redirect", // the finding at its end says more
			slices.Contains(causes, f.ID) && !slices.Contains(causes, worst.ID):
			worst = f
		}
	}
	warnings := r.Count(Warning)
	switch {
	case worst == nil && r.Session == nil:
		return "The inspection did not come to an end."
	case worst == nil && warnings == 0:
		return "This endpoint works."
	case worst == nil && warnings == 1:
		return "This endpoint works, with one warning."
	case worst == nil:
		return "This endpoint works, with " + count(warnings, "warning") + "."
	case worst.ID == "redirect":
		return "The URL redirects to " + r.URL + ", where a WebSocket opens; browsers do not follow it."
	}
	return beginning(worst, r.Session != nil) + ": " + lowerFirst(worst.Means)
}

// beginning says what fails, before the reason.
func beginning(f *Finding, opened bool) string {
	switch {
	case f.ID == "origin-hijack":
		return "The WebSocket opens, also for those who should not have it"
	case opened:
		return "The WebSocket opens, but not as it should"
	case f.Step == "proxy" || f.Step == "dns" || f.Step == "tcp":
		return "The server cannot be reached"
	case f.Step == "tls":
		return "No secure connection"
	}
	return "The handshake fails"
}

// lowerFirst makes a sentence follow a colon.
func lowerFirst(s string) string {
	for _, word := range []string{"The ", "There ", "Nothing ", "What ", "No ", "A ", "It ", "Pages ", "This ", "Any ", "Every "} {
		if strings.HasPrefix(s, word) {
			return strings.ToLower(s[:1]) + s[1:]
		}
	}
	return s
}
