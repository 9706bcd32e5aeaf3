package identity

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/internal/redact"
)

// issuer is an Issuer with its keys.
type issuer struct {
	Issuer
	fixed  []*key
	remote *remote // nil if the keys are fixed
}

func (i *issuer) keys() []*key {
	if i.remote != nil {
		return i.remote.keys()
	}
	return i.fixed
}

func newIssuers(o *Options) (issuers []*issuer, err error) {
	client := fetcher(o)
	for n, options := range o.Issuers {
		if options.Source == "" {
			options.Source = fmt.Sprintf("tokens[%d]", n)
		}
		i := &issuer{Issuer: options}
		if err := i.open(o, client); err != nil {
			return nil, fmt.Errorf("identity: %s: %w", options.Source, err)
		}
		issuers = append(issuers, i)
	}
	return issuers, nil
}

// open makes the keys of the issuer, or says where they are fetched.
func (i *issuer) open(o *Options, client *http.Client) error {
	given := 0
	for _, is := range []bool{i.Secret != nil, i.PEM != nil, i.JWKS != nil, i.JWKSURL != ""} {
		if is {
			given++
		}
	}
	if given != 1 {
		return errors.New("it needs one of a secret, a key in PEM, a set of keys, and the URL of one")
	}
	for _, a := range i.Algorithms {
		if !slices.Contains(Algorithms(), a) {
			return fmt.Errorf("there is no algorithm %.20q; there are %s", a, strings.Join(Algorithms(), ", "))
		}
	}
	if strings.ContainsAny(i.Cookie, " \t\r\n\"(),/:;<=>?@[\\]{}") {
		return fmt.Errorf("%.40q is not the name of a cookie", i.Cookie)
	}
	var err error
	switch {
	case i.Secret != nil:
		var k *key
		if k, err = newKey(i.Secret, i.Algorithms, "", "the secret"); err == nil {
			i.fixed = []*key{k}
			if len(i.Secret) < secretBytesAdvised {
				o.Logger.Warn("a secret for tokens is short; whoever has a token may find it by trying",
					slog.String("where", i.Source), slog.Int("bytes", len(i.Secret)), slog.Int("better", secretBytesAdvised))
			}
		}
	case i.PEM != nil:
		i.fixed, err = pemKeys(i.PEM, i.Algorithms)
	case i.JWKS != nil:
		var skipped []string
		i.fixed, skipped, err = setKeys(i.JWKS, i.Algorithms, true)
		logSkipped(o.Logger, i.Source, skipped)
	default:
		if err = i.judgeURL(); err == nil {
			i.remote = newRemote(i, o, client)
		}
	}
	return err
}

func logSkipped(l *slog.Logger, source string, skipped []string) {
	if len(skipped) > 0 {
		l.Info("keys of a set are left out", slog.String("where", source), slog.Int("count", len(skipped)), slog.String("first", skipped[0]))
	}
}

// judgeURL reports the fault of the URL of a set of keys.
func (i *issuer) judgeURL() error {
	u, err := url.Parse(i.JWKSURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%.100q is not a URL of a set of keys, such as https://issuer.example/.well-known/jwks.json", redact.Text(i.JWKSURL))
	case u.Scheme == "http" && !i.InsecureJWKS && !isLoopback(u.Hostname()):
		return fmt.Errorf("%.100q is http: whoever is in between could send keys of their own; use https", redact.Text(i.JWKSURL))
	}
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

const redirectsMax = 3

// fetcher is the client that fetches sets of keys. A redirect cannot leave https: it
// would be worth no more than the weakest hop.
func fetcher(o *Options) *http.Client {
	c := http.Client{}
	if o.HTTPClient != nil {
		c = *o.HTTPClient
	} else {
		c.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: o.FetchTimeout}).DialContext,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // one request in minutes
			ForceAttemptHTTP2:      true,
		}
	}
	c.Jar, c.Timeout = nil, 0 // each fetch has a context
	c.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) > redirectsMax:
			return fmt.Errorf("it was redirected more than %d times", redirectsMax)
		case r.URL.Scheme != via[0].URL.Scheme && r.URL.Scheme != "https":
			return fmt.Errorf("it redirects from %s to %.10q", via[0].URL.Scheme, r.URL.Scheme)
		case r.URL.Scheme == "http" && !isLoopback(r.URL.Hostname()) && isLoopback(via[0].URL.Hostname()):
			return errors.New("it redirects from this machine to another with http")
		}
		return nil
	}
	return &c
}
