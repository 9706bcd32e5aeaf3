package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/internal/redact"
)

const (
	// setBytesMax is the longest set of keys that is read. Real ones have a few kB.
	setBytesMax = 512 << 10

	// A server's max-age counts from freshMin to freshMax.
	freshMin, freshMax = time.Minute, 24 * time.Hour

	// retryFirst is after how long a fetch that failed is tried again. It doubles,
	// up to retryMost.
	retryFirst, retryMost = time.Second, time.Minute

	// refetchBurst is how many fetches for unknown keys may come at once.
	refetchBurst = 3
)

// remote is a set of keys that is fetched: one goroutine does that, and a caller that
// needs a key that is not there is called after the next fetch.
type remote struct {
	url, source string
	algorithms  []string
	client      *http.Client
	timeout     time.Duration
	interval    time.Duration
	refetches   ratelimit.Limit
	log         *slog.Logger

	set  atomic.Pointer[[]*key] // nil before the first
	kick chan struct{}          // holds one

	unknown ratelimit.Bucket // of fetches for unknown keys

	mu       sync.Mutex // guards the rest
	fetching bool       // a fetch is under way, or about to be
	waiters  []func()   // called after it
	failure  error      // of the newest fetch, nil if it succeeded
	closed   bool
}

// newRemote makes a remote; its loop has to be started.
func newRemote(i *issuer, o *Options, client *http.Client) *remote {
	r := &remote{
		url: i.JWKSURL, source: i.Source, algorithms: i.Algorithms, client: client,
		timeout: o.FetchTimeout, interval: o.RefreshInterval, log: o.Logger,
		refetches: ratelimit.Every(o.RefetchInterval, refetchBurst),
		kick:      make(chan struct{}, 1), fetching: true,
	}
	if o.From != nil {
		for _, old := range o.From.issuers {
			if old.remote != nil && old.remote.url == r.url && strings.Join(old.Algorithms, " ") == strings.Join(i.Algorithms, " ") {
				r.set.Store(old.remote.set.Load())
			}
		}
	}
	return r
}

func (r *remote) keys() []*key {
	if set := r.set.Load(); set != nil {
		return *set
	}
	return nil
}

// wait has f called after the next fetch, and reports whether there will be one. It
// reports false if there were enough lately, or r is closed.
func (r *remote) wait(now time.Time, f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	if !r.fetching {
		if ok, _ := r.unknown.Allow(now, r.refetches); !ok {
			return false
		}
		r.fetching = true
		r.kick <- struct{}{} // has place: it is only sent when nothing is under way
	}
	r.waiters = append(r.waiters, f)
	return true
}

// failed is why the newest fetch failed, or nil.
func (r *remote) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}

// loop fetches the set: at once, when it becomes old, and when somebody waits. It
// ends with ctx, after all waiters were called.
func (r *remote) loop(ctx context.Context) {
	retry := retryFirst
	for ctx.Err() == nil {
		keys, fresh, err := r.fetch(ctx)
		next := fresh
		if err == nil {
			r.replace(keys)
			retry = retryFirst
		} else {
			next = min(retry, r.interval)
			retry = min(2*retry, retryMost)
		}
		if ctx.Err() != nil {
			break
		}
		r.settle(err)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
		case <-r.kick:
		case <-timer.C:
			r.mu.Lock()
			r.fetching = true
			select {
			case <-r.kick: // this fetch is that one, too
			default:
			}
			r.mu.Unlock()
		}
		timer.Stop()
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.settle(errors.New("the server is stopping"))
}

// settle ends a fetch: the waiters are called.
func (r *remote) settle(err error) {
	r.mu.Lock()
	before, closed := r.failure, r.closed
	waiters := r.waiters
	r.fetching, r.waiters, r.failure = false, nil, err
	r.mu.Unlock()
	switch {
	case closed:
	case err != nil && before == nil:
		r.log.Warn("the keys of an issuer cannot be fetched; the last ones count",
			slog.String("where", r.source), slog.String("url", redact.Text(r.url)), slog.Int("keys", len(r.keys())), slog.Any("error", err))
	case err == nil && before != nil:
		r.log.Info("the keys of an issuer can be fetched again", slog.String("where", r.source), slog.Int("keys", len(r.keys())))
	}
	for _, f := range waiters {
		f()
	}
}

// replace puts keys in the place of those that were there. A key that stays is the
// same object, so that what it has verified is still remembered.
func (r *remote) replace(keys []*key) {
	old := r.keys()
	stays := make(map[*key]bool, len(old))
	for i, k := range keys {
		for _, o := range old {
			if o.equal(k) && !o.gone.Load() { // gone: for somebody whose place this took
				keys[i], stays[o] = o, true
				break
			}
		}
	}
	r.set.Store(&keys)
	for _, o := range old {
		if !stays[o] {
			o.gone.Store(true)
		}
	}
}

// fetch gets the set, and says how long it is fresh.
func (r *remote) fetch(ctx context.Context) (keys []*key, fresh time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, 0, errors.New("it is not a URL")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	request.Header.Set("User-Agent", "godwit")
	response, err := r.client.Do(request)
	if err != nil {
		var of *url.Error // it has the URL, which may have a secret
		if errors.As(err, &of) {
			err = of.Err
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("it took longer than %v", r.timeout)
		}
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("its status is %d and not 200", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, setBytesMax+1))
	switch {
	case ctx.Err() != nil:
		return nil, 0, fmt.Errorf("it took longer than %v", r.timeout)
	case err != nil:
		return nil, 0, fmt.Errorf("its content breaks off: %w", err)
	case len(body) > setBytesMax:
		return nil, 0, fmt.Errorf("it is longer than %d bytes", setBytesMax)
	}
	keys, skipped, err := setKeys(body, r.algorithms, false)
	if err != nil {
		if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); strings.HasPrefix(kind, "text/") {
			err = fmt.Errorf("%w; it is %s", err, kind)
		}
		return nil, 0, err
	}
	if r.set.Load() == nil {
		logSkipped(r.log, r.source, skipped)
	}
	return keys, r.fresh(response.Header), nil
}

// fresh is how long a set is fresh: the interval, or less if its server says so.
func (r *remote) fresh(h http.Header) time.Duration {
	fresh := min(r.interval, freshMax)
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if seconds, err := strconv.Atoi(strings.Trim(value, `"`)); err == nil && seconds >= 0 {
			said := freshMax
			if seconds < int(freshMax/time.Second) {
				said = max(time.Duration(seconds)*time.Second, freshMin)
			}
			fresh = min(fresh, said)
		}
	}
	return fresh
}
