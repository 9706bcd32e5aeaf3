package natsbroker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// reconnectWaitMax is between two attempts to connect; each server is tried in turn.
	reconnectWaitMax = 2 * time.Second

	dialTime = 3 * time.Second

	// Without an answer to this many pings, that is 20 s, a connection has gone.
	pingInterval = 10 * time.Second
	pingsMax     = 2
)

// connect begins to connect. Its errors are those of the configuration.
func (b *Broker) connect() error {
	o := &b.options
	options := []nats.Option{
		nats.Name("godwit"),
		nats.Timeout(dialTime),
		nats.SetCustomDialer(&dialer{b: b}),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.ReconnectBufSize(-1), // what waits, waits here
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(pingsMax),
		nats.IgnoreAuthErrorAbort(), // a password may be mended at the server
		nats.NoCallbacksAfterClientClose(),
		nats.ConnectHandler(func(*nats.Conn) { b.disturb() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { b.disconnected(err) }),
		nats.ReconnectHandler(func(*nats.Conn) { b.connected() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { b.notConnected(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { b.asyncError(sub, err) }),
	}
	if !hasUser(o.URLs) && (o.User != "" || o.Password != "") {
		if o.User == "" {
			options = append(options, nats.Token(o.Password))
		} else {
			options = append(options, nats.UserInfo(o.User, o.Password))
		}
	}
	if o.Credentials != "" {
		options = append(options, nats.UserCredentials(o.Credentials))
	}
	nc, err := nats.Connect(strings.Join(o.URLs, ","), append(options, o.tlsOptions()...)...)
	if err != nil {
		return fmt.Errorf("natsbroker: %w", err)
	}
	b.nc = nc
	if b.js, err = jetstream.New(nc); err == nil {
		err = b.subscribeInboxes()
	}
	if err != nil {
		nc.Close()
		return fmt.Errorf("natsbroker: %w", err)
	}
	return nil
}

// dialer dials for nats.go. It tells the broker before anything can come over the
// connection; handlers of nats.go are called later, by another goroutine.
type dialer struct{ b *Broker }

// Dial implements nats.CustomDialer.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.b.dialing()
	return net.DialTimeout(network, address, dialTime)
}

// dialing has nothing delivered and nothing sent until the era is confirmed. It is called
// with the lock of the connection held.
func (b *Broker) dialing() {
	b.dialed.Add(1)
	if b.era.Load() != nil { // else nothing can have been lost
		b.doubts.Add(1)
	}
	b.gate.set(false)
	b.ring.stall()
}

func hasUser(urls []string) bool {
	for _, text := range urls {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			return true
		}
	}
	return false
}

// checkFiles reads the files once, so that what is wrong with them is known at once.
func (o *Options) checkFiles() error {
	if o.Credentials != "" {
		if _, err := os.ReadFile(o.Credentials); err != nil {
			return refuse("Credentials", err.Error())
		}
	}
	if o.CA != "" {
		if _, err := o.authorities(); err != nil {
			return refuse("CA", err.Error())
		}
	}
	if o.Cert != "" {
		if _, err := o.certificate(); err != nil {
			return refuse("Cert", err.Error())
		}
	}
	return nil
}

func (o *Options) certificate() (tls.Certificate, error) {
	return tls.LoadX509KeyPair(o.Cert, o.Key)
}

func (o *Options) authorities() (*x509.CertPool, error) {
	if o.CA == "" {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", o.CA)
	}
	return pool, nil
}

// tlsOptions are the options of a connection about TLS. The files are read with each.
func (o *Options) tlsOptions() []nats.Option {
	if o.Cert == "" && o.CA == "" {
		return nil
	}
	certificate := o.certificate
	if o.Cert == "" {
		certificate = nil
	}
	return []nats.Option{nats.ClientTLSConfig(certificate, o.authorities)}
}

// reconnectDelay is how long to wait after all servers were tried.
func reconnectDelay(attempts int) time.Duration {
	return min(reconnectWaitMax, 50*time.Millisecond<<min(max(attempts-1, 0), 6))
}

func (b *Broker) disconnected(err error) {
	b.ring.stall()
	b.gate.set(false)
	b.interrupt()
	if err == nil {
		err = errors.New("the connection has ended")
	}
	b.gate.blame(err)
	b.log.Warn("natsbroker: the connection to NATS has broken; it is made again", "error", err)
}

func (b *Broker) connected() {
	b.interrupt()
	b.log.Info("natsbroker: connected to NATS", "server", b.nc.ConnectedAddr())
	b.bus.missed()
	b.suspect()
	b.disturb()
}

func (b *Broker) notConnected(err error) {
	if b.gate.blame(err) {
		b.log.Warn("natsbroker: NATS cannot be reached; it is tried again", "error", err)
	}
}

// asyncError is told of what the server says without being asked, and of messages that
// had no room.
func (b *Broker) asyncError(sub *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		if sub != nil && strings.HasPrefix(sub.Subject, b.names.bus) {
			b.bus.missed()
		}
		b.suspect()
		nudge(b.checking)
	case errors.Is(err, nats.ErrPermissionViolation):
		text := err.Error()
		if old := b.violation.Swap(&text); old == nil || *old != text {
			b.log.Error("natsbroker: NATS does not permit what the broker needs", "error", err)
		}
		b.interrupt() // what was asked is not answered
	default:
		b.log.Warn("natsbroker: NATS reports an error", "error", err)
	}
}

// The oldest server that has what the broker needs.
const (
	versionMajor = 2
	versionMinor = 11
)

// checkVersion returns an error for a server that is too old.
func checkVersion(version string) error {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	i, errB := strconv.Atoi(minor)
	if errA == nil && errB == nil && (a > versionMajor || a == versionMajor && i >= versionMinor) {
		return nil
	}
	return fmt.Errorf("the nats-server is of version %q; %d.%d or newer is needed", version, versionMajor, versionMinor)
}
