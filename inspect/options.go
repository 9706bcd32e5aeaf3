package inspect

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The defaults of Options.
const (
	DefaultTimeout = 5 * time.Second
	DefaultPings   = 10
	DefaultListen  = time.Second
)

// What Run reads and follows at most.
const (
	// headBytesMax bounds the head of a response.
	headBytesMax = 64 << 10

	// bodyBytesMax is how much of a refusal's body is read.
	bodyBytesMax = 16 << 10

	// excerptBytesMax is how much of it is shown.
	excerptBytesMax = 600

	// redirectsMax is how many redirects are followed.
	redirectsMax = 10

	// addressesMax is how many addresses of a name are tried.
	addressesMax = 8

	// messageBytesMax is how much of a message is kept, to look at it.
	messageBytesMax = 1 << 20

	// framesMax is how many frames a report lists.
	framesMax = 200

	// fieldsMax is how many header fields of a response a report lists.
	fieldsMax = 100
)

// NoPings, as Options.Pings, has none sent.
const NoPings = math.MinInt

// Options configures Run. The zero value works, and nil means the same: zero is the
// default of every number. A negative one is refused.
type Options struct {
	// Header is sent with every handshake: Authorization or Cookie, for example.
	// A redirect to another origin loses Authorization and Cookie.
	Header http.Header

	// Origin is sent as a browser would for a page from there. Default: none,
	// as programs that are no browsers do.
	Origin string

	// Subprotocols are offered, the preferred one first.
	Subprotocols []string

	// NoCompression leaves out the offer of permessage-deflate, which browsers make.
	NoCompression bool

	// Sample sends one text message of a few KiB after the handshake, to see
	// whether the server echoes and how well its compression works. The
	// application at the other end sees the message, so it is off by default.
	Sample bool

	// Insecure goes on in spite of a certificate that cannot be trusted, and
	// grades its faults as warnings.
	Insecure bool

	// Pings is how many are sent, one after the other. Default 10, and NoPings for
	// none.
	Pings int

	// Timeout is how long each step may take: looking up the name, connecting,
	// TLS, the response, a pong, the close. Default 5 s.
	Timeout time.Duration

	// Listen is how long to wait for what the server sends by itself. Default 1 s.
	Listen time.Duration

	// Roots are the certificate authorities to trust. Nil: the system's.
	Roots *x509.CertPool

	// Proxy returns the proxy for a request, of which only the URL is set (its
	// scheme is http or https), or nil for none. Nil: http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	// Lookup returns the addresses of a name. Nil: net.DefaultResolver.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)

	// Dial connects to an address, host:port. It may be called concurrently.
	// Nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// withDefaults is o with its zero fields replaced; o may be nil.
func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	pings := cmp.Or(d.Pings, DefaultPings)
	if pings == NoPings {
		pings = 0
	}
	switch {
	case pings < 0:
		return d, fmt.Errorf("inspect: option Pings: %d is negative; 0 is the default, and NoPings none", d.Pings)
	case d.Timeout < 0:
		return d, fmt.Errorf("inspect: option Timeout: %v is negative; 0 is the default", d.Timeout)
	case d.Listen < 0:
		return d, fmt.Errorf("inspect: option Listen: %v is negative; 0 is the default", d.Listen)
	}
	d.Pings = pings
	d.Timeout = cmp.Or(d.Timeout, DefaultTimeout)
	d.Listen = cmp.Or(d.Listen, DefaultListen)
	if d.Proxy == nil {
		d.Proxy = http.ProxyFromEnvironment
	}
	if d.Lookup == nil {
		d.Lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
		}
	}
	if d.Dial == nil {
		d.Dial = new(net.Dialer).DialContext
	}
	return d, nil
}
