package tracing

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/godwit-io/godwit/internal/option"
	"github.com/godwit-io/godwit/internal/redact"
)

// Options configures a Tracer. The zero value of every field but Endpoint means its
// default. A negative number is refused with an *OptionError. New copies what it needs.
type Options struct {
	// Endpoint is the URL to which spans are posted, such as
	// http://localhost:4318/v1/traces. If its path is empty or a slash, /v1/traces is
	// meant. It is needed.
	Endpoint string

	// Headers are further fields of the requests, such as a key for the collector. They are
	// never logged.
	Headers http.Header

	// Compress sends with gzip.
	Compress bool

	// TLSConfig is for https. Default: what crypto/tls does, with the system's roots.
	TLSConfig *tls.Config

	// Service is service.name of every span. Default godwit.
	Service string

	// Version is service.version. Default none.
	Version string

	// Resource is what else is said of the server with every span, such as
	// deployment.environment.name. What Service and Version say wins.
	Resource map[string]string

	// Sample is the part of the traces that begin here which is recorded, at most 1. Default
	// 0.01. NoSample records none.
	Sample   float64
	NoSample bool

	// IgnoreParent has Sample decide about traces that a client has begun, too. By default
	// they are recorded if the client records them.
	IgnoreParent bool

	// Timeout bounds one request to the collector. Default 10 seconds.
	Timeout time.Duration

	// Retry is how long a batch is worth trying while the collector is away, or wants us to
	// wait. Default 1 minute.
	Retry time.Duration

	// QueueMax bounds the spans that wait, and BatchMax those of one request. What does not fit is
	// dropped. Defaults: 2048 and 512. Spans of ours are below 4 KiB each.
	QueueMax int
	BatchMax int

	// Delay is how long a span waits for others to be sent with. Default 5 seconds.
	Delay time.Duration

	// Logger receives what the collector does not take, at most once a minute (Warn). Default:
	// slog.Default().
	Logger *slog.Logger

	transport http.RoundTripper // of tests; nil: an http.Transport
}

// Defaults of Options.
const (
	DefaultService  = "godwit"
	DefaultSample   = 0.01
	DefaultTimeout  = 10 * time.Second
	DefaultRetry    = time.Minute
	DefaultQueueMax = 2048
	DefaultBatchMax = 512
	DefaultDelay    = 5 * time.Second
)

// NoLimit, as the value of a number among Options other than Sample, means that there is no limit.
const NoLimit = option.NoLimit

// OptionError says that an option cannot be as it is: a mistake of the program or
// of its configuration.
type OptionError struct {
	Option string // the name of the field
	Reason string // what is wrong, and what would be right
}

// Error names the option and says what is wrong with it.
func (e *OptionError) Error() string { return "tracing: option " + e.Option + ": " + e.Reason }

// path is where a collector takes traces.
const path = "/v1/traces"

// effective returns o with every default filled in, and the URL.
func (o *Options) effective() (e Options, u *url.URL, err error) {
	if o != nil {
		e = *o
	}
	e.Service = cmp.Or(e.Service, DefaultService)
	if e.Logger == nil {
		e.Logger = slog.Default()
	}
	err = cmp.Or(
		resolve("Timeout", &e.Timeout, DefaultTimeout),
		resolve("Retry", &e.Retry, DefaultRetry),
		resolve("QueueMax", &e.QueueMax, DefaultQueueMax),
		resolve("BatchMax", &e.BatchMax, DefaultBatchMax),
		resolve("Delay", &e.Delay, DefaultDelay),
	)
	switch {
	case err != nil:
	case e.Sample < 0:
		err = &OptionError{"Sample", fmt.Sprintf("%v is negative; 0 is the default, 1 all, and NoSample none", e.Sample)}
	case !(e.Sample <= 1):
		err = &OptionError{"Sample", fmt.Sprintf("%v is no part of anything; write a number up to 1, such as 0.01 for one in a hundred", e.Sample)}
	case e.NoSample && e.Sample > 0:
		err = &OptionError{"Sample", "it cannot be together with NoSample; leave out one of them"}
	case e.Sample == 0 && !e.NoSample:
		e.Sample = DefaultSample
	}
	if err != nil {
		return e, nil, err
	}
	u, err = parseEndpoint(e.Endpoint)
	return e, u, err
}

func resolve[T int | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return &OptionError{name, wrong}
	}
	return nil
}

func parseEndpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	wrong := ""
	switch {
	case raw == "":
		wrong = "there is none"
	case err != nil: // which may quote a password
		wrong = redact.Text(raw) + " is no URL"
	case u.Scheme != "http" && u.Scheme != "https":
		wrong = fmt.Sprintf("the scheme of %s is %q; OTLP goes over http or https here", redact.Text(raw), u.Scheme)
	case u.Hostname() == "":
		wrong = redact.Text(raw) + " names no host"
	}
	if wrong != "" {
		return nil, &OptionError{"Endpoint", wrong + "; write one such as http://localhost:4318"}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path
	}
	return u, nil
}
