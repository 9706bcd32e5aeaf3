package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/internal/redact"
)

// WithEnvironment returns o with what it leaves open taken from the variables
// that OpenTelemetry defines, as getenv has them: os.Getenv, for example. What o says wins.
// Without an Endpoint in the result there is nothing to be traced.
//
// A variable that makes no sense is left out, as the specification wants, and is
// among the errors, which are warnings. They never quote what may be secret.
func (o Options) WithEnvironment(getenv func(string) string) (Options, []error) {
	e := environment{getenv: getenv, options: o}
	e.options.Headers = o.Headers.Clone()
	e.options.Resource = maps.Clone(o.Resource)
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return Options{Logger: o.Logger}, nil
	}
	e.endpoint()
	if e.options.Endpoint == "" {
		return e.options, e.warnings
	}
	e.transport()
	e.sampler()
	e.resource()
	e.batches()
	return e.options, e.warnings
}

type environment struct {
	getenv   func(string) string
	options  Options
	warnings []error
}

func (e *environment) warn(name, format string, args ...any) {
	e.warnings = append(e.warnings, fmt.Errorf("%s: "+format, append([]any{name}, args...)...))
}

// lookup is the variable for traces, or else the one for all signals.
func (e *environment) lookup(name string) (which, value string) {
	for _, which := range []string{"OTEL_EXPORTER_OTLP_TRACES_" + name, "OTEL_EXPORTER_OTLP_" + name} {
		if value := strings.TrimSpace(e.getenv(which)); value != "" {
			return which, value
		}
	}
	return "", ""
}

func (e *environment) endpoint() {
	exporter := strings.TrimSpace(e.getenv("OTEL_TRACES_EXPORTER"))
	if e.options.Endpoint != "" {
		return
	}
	if exporter != "" && exporter != "otlp" {
		if exporter != "none" {
			e.warn("OTEL_TRACES_EXPORTER", "%q cannot be exported to; nothing is traced; the exporters are otlp and none", redact.Text(exporter))
		}
		return
	}
	which, value := e.lookup("ENDPOINT")
	switch {
	case value == "" && exporter == "otlp":
		value = "http://localhost:4318" // as the specification has it
	case value == "":
		return
	}
	u, err := parseEndpoint(value)
	if err != nil {
		var wrong *OptionError
		errors.As(err, &wrong)
		e.warn(which, "%s; nothing is traced", wrong.Reason)
		return
	}
	if which == "OTEL_EXPORTER_OTLP_ENDPOINT" { // a base for all signals; the other one is taken as it is
		u, _ = url.Parse(value)
		u = u.JoinPath(path)
	}
	e.options.Endpoint = u.String()
}

func (e *environment) transport() {
	if which, value := e.lookup("PROTOCOL"); value != "" && value != "http/protobuf" {
		e.warn(which, "%q is not spoken here; traces are sent with http/protobuf, for which collectors listen on port 4318", redact.Text(value))
	}
	if which, value := e.lookup("COMPRESSION"); value == "gzip" {
		e.options.Compress = true
	} else if value != "" && value != "none" {
		e.warn(which, "%q is not known; it is gzip or none", redact.Text(value))
	}
	if which, value := e.lookup("TIMEOUT"); value != "" && e.options.Timeout == 0 {
		e.milliseconds(which, value, &e.options.Timeout)
	}
	if which, value := e.lookup("HEADERS"); value != "" && e.options.Headers == nil {
		pairs, ok := parsePairs(value)
		h := http.Header{}
		for name, value := range pairs {
			if ok = ok && httpsyntax.IsToken(name) && httpsyntax.IsFieldValue(value); ok {
				h.Set(name, value)
			}
		}
		if ok {
			e.options.Headers = h
		} else {
			e.warn(which, "it is no list of header fields; write name=value,name=value, percent-encoded")
		}
	}
	if which, value := e.lookup("CERTIFICATE"); value != "" && e.options.TLSConfig == nil {
		pem, err := os.ReadFile(value)
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(pem) {
			e.warn(which, "no certificate can be read from %s; write the path of a PEM file", redact.Text(value))
		} else {
			e.options.TLSConfig = &tls.Config{RootCAs: roots}
		}
	}
}

func (e *environment) sampler() {
	const name, argument = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	sampler := strings.TrimSpace(e.getenv(name))
	if sampler == "" || e.options.Sample != 0 || e.options.NoSample {
		return
	}
	kind, isParentBased := strings.CutPrefix(sampler, "parentbased_")
	part := 1.0
	switch kind {
	case "always_on":
	case "always_off":
		part = 0
	case "traceidratio":
		if text := strings.TrimSpace(e.getenv(argument)); text != "" {
			ratio, err := strconv.ParseFloat(text, 64)
			if err != nil || !(ratio >= 0 && ratio <= 1) {
				e.warn(argument, "%q is no number from 0 to 1; 1 is taken, as the specification wants", redact.Text(text))
			} else {
				part = ratio
			}
		}
	default:
		e.warn(name, "%q is not known; it is always_on, always_off or traceidratio, or one of them behind parentbased_", redact.Text(sampler))
		return
	}
	e.options.IgnoreParent = !isParentBased
	e.options.Sample, e.options.NoSample = part, part == 0
}

func (e *environment) resource() {
	pairs, ok := parsePairs(e.getenv("OTEL_RESOURCE_ATTRIBUTES"))
	if !ok {
		e.warn("OTEL_RESOURCE_ATTRIBUTES", "it is no list of attributes; write name=value,name=value, percent-encoded")
		pairs = nil
	}
	if e.options.Service == "" {
		e.options.Service = strings.TrimSpace(e.getenv("OTEL_SERVICE_NAME"))
	}
	for name, value := range pairs {
		switch {
		case name == "service.name":
			if e.options.Service == "" {
				e.options.Service = value
			}
		case e.options.Resource == nil:
			e.options.Resource = map[string]string{name: value}
		default:
			if _, ok := e.options.Resource[name]; !ok {
				e.options.Resource[name] = value
			}
		}
	}
}

func (e *environment) batches() {
	for name, to := range map[string]*int{"OTEL_BSP_MAX_QUEUE_SIZE": &e.options.QueueMax, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": &e.options.BatchMax} {
		text := strings.TrimSpace(e.getenv(name))
		if text == "" || *to != 0 {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n <= 0 {
			e.warn(name, "%q is no number of spans; write one such as 2048", redact.Text(text))
			continue
		}
		*to = n
	}
	if text := strings.TrimSpace(e.getenv("OTEL_BSP_SCHEDULE_DELAY")); text != "" && e.options.Delay == 0 {
		e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", text, &e.options.Delay)
	}
}

func (e *environment) milliseconds(name, text string, to *time.Duration) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/int64(time.Millisecond) {
		e.warn(name, "%q is no number of milliseconds; write one such as 5000", redact.Text(text))
		return
	}
	*to = time.Duration(n) * time.Millisecond
}

// parsePairs reads a list like W3C Baggage, without properties: name=value, separated by
// commas, with percent-encoded values.
func parsePairs(list string) (pairs map[string]string, ok bool) {
	pairs = make(map[string]string)
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		name, err := url.PathUnescape(strings.TrimSpace(name))
		if !found || err != nil || name == "" {
			return nil, false
		}
		if value, err = url.PathUnescape(strings.TrimSpace(value)); err != nil {
			return nil, false
		}
		pairs[name] = value
	}
	return pairs, true
}
