package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/godwit-io/godwit/internal/redact"
)

const (
	answerBytesMax = 64 << 10
	retryFirst     = time.Second // pauses between attempts, longer each time
	retryLast      = 15 * time.Second
	complaintEvery = time.Minute
	idleTimeout    = 30 * time.Second
)

// exporter sends spans to the collector: OTLP 1, binary protocol buffers over HTTP. It is used by one
// goroutine.
type exporter struct {
	url      string
	shown    string // the URL without its secrets
	headers  http.Header
	compress bool
	timeout  time.Duration
	retry    time.Duration
	client   *http.Client
	logger   *slog.Logger
	quiet    time.Time // until then nothing is logged
}

func newExporter(o *Options, u *url.URL) *exporter {
	transport := o.transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        o.TLSConfig.Clone(),
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        1,
			IdleConnTimeout:        idleTimeout,
			MaxResponseHeaderBytes: 16 << 10,
		}
	}
	return &exporter{
		url: u.String(), shown: redact.URL(u), headers: o.Headers.Clone(), compress: o.Compress, timeout: o.Timeout, retry: o.Retry, logger: o.Logger,
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// export sends spans, and tries again for a while. It returns how many the collector has
// not taken.
func (e *exporter) export(ctx context.Context, spans []sdktrace.ReadOnlySpan) (lost int) {
	body := appendRequest(nil, spans)
	if e.compress {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(body) // into memory
		_ = z.Close()
		body = b.Bytes()
	}
	pauses := &backoff.ExponentialBackOff{InitialInterval: retryFirst, MaxInterval: retryLast, Multiplier: 2, RandomizationFactor: 0.3}
	rejected, err := backoff.Retry(ctx, func() (int, error) { return e.attempt(ctx, body) },
		backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(e.retry))
	switch {
	case err != nil:
		rejected = len(spans)
		e.complain("traces could not be sent", rejected, err)
	case rejected > 0:
		rejected = min(rejected, len(spans))
		e.complain("the collector has refused some of the traces", rejected, nil)
	}
	return rejected
}

// attempt sends a request once.
func (e *exporter) attempt(ctx context.Context, body []byte) (rejected int, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, backoff.Permanent(errors.New("the endpoint is no URL"))
	}
	for name, values := range e.headers {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("User-Agent", "Godwit")
	if e.compress {
		r.Header.Set("Content-Encoding", "gzip")
	}
	response, err := e.client.Do(r)
	if err != nil {
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err // the URL may have secrets in it
		}
		return 0, err
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, answerBytesMax)) // the status says what matters
	switch status := response.StatusCode; status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if seconds, err := strconv.Atoi(strings.TrimSpace(response.Header.Get("Retry-After"))); err == nil && seconds > 0 {
			return 0, &statusError{status, backoff.RetryAfter(min(seconds, 3600))}
		}
		return 0, &statusError{status: status}
	default:
		if status/100 != 2 {
			return 0, backoff.Permanent(&statusError{status: status})
		}
	}
	return parseRejected(answer), nil
}

// statusError is an answer of the collector that is no success.
type statusError struct {
	status int
	after  error // a *backoff.RetryAfterError, or nil
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the collector answers %d (%s)", e.status, http.StatusText(e.status))
}

func (e *statusError) Unwrap() error { return e.after }

// complain logs what was lost, unless something was just now.
func (e *exporter) complain(what string, spans int, err error) {
	now := time.Now()
	if now.Before(e.quiet) {
		return
	}
	e.quiet = now.Add(complaintEvery)
	attrs := []any{"endpoint", e.shown, "spans", spans}
	if err != nil {
		attrs = append(attrs, "error", err)
	}
	e.logger.Warn(what, attrs...)
}
