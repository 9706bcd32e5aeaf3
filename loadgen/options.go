package loadgen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
)

// The defaults of Options.
const (
	DefaultConnections      = 100
	DefaultDuration         = 10 * time.Second
	DefaultWarmup           = 2 * time.Second
	DefaultSize             = 128
	DefaultWindow           = 1
	DefaultDrain            = 5 * time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultRounds           = 3
	DefaultPublishers       = 1
	DefaultSlowBytes        = 1000
)

// The limits of Options.
const (
	ConnectionsMax = 1 << 24 // what a payload's head has room for
	SizeMax        = 64 << 20
	WindowMax      = 1 << 20
	PublishersMax  = 1 << publisherBits
)

// NoWarmup, as Options.Warmup, has everything measured from the beginning.
const NoWarmup = time.Duration(math.MinInt64)

// Options say what load to make. The zero value of a field means its default. A
// negative number is refused.
type Options struct {
	// Connections is how many there are: that echo, that subscribe, that idle, that
	// are in their handshake at once, that are dropped. Default 100.
	Connections int

	// Duration is how long is measured. Default 10 seconds. A storm ends when
	// everybody is back; Duration is then how long a client tries. Default there
	// one minute.
	Duration time.Duration

	// Warmup is how long there is load that is not measured, before that. Default
	// 2 seconds, and NoWarmup for none. Connections and Storm have none.
	Warmup time.Duration

	// Size is the bytes of a message's payload. Default 128.
	Size int

	// Binary sends binary messages instead of text.
	Binary bool

	// Window is how many messages are in flight for each connection, or
	// publications until the last subscriber has them, in a closed loop. Default 1.
	Window int

	// Rate, if above zero, is how many messages, publications or handshakes are
	// sent each second in all, in an open loop. Window is not used then.
	Rate float64

	// Drain is how long is waited for answers after the last message. Those that do
	// not come are counted as errors. Default 5 seconds.
	Drain time.Duration

	// Ramp, if above zero, is how many connections are opened each second at
	// first. Default: as many as the server takes, 64 at once.
	Ramp float64

	// Fanout is for Fanout only, Storm for Storm only, and Publishing for SSE and
	// Publish only.
	Fanout     FanoutOptions
	Storm      StormOptions
	Publishing PublishOptions

	// Header and Subprotocols are sent with each handshake, Compress offers
	// permessage-deflate, and TLS is used for wss. SSE and Publish send Header with
	// each request, use TLS for https, and have none of the other two, nor Binary.
	Header       http.Header
	Subprotocols []string
	Compress     bool
	TLS          *tls.Config

	// HandshakeTimeout bounds opening one connection. Default 10 seconds.
	HandshakeTimeout time.Duration

	// LocalAddresses are addresses of this machine to connect from, in turn. One
	// address has ports for some 28,000 connections to one server. Default: what
	// the system chooses; on Linux a server at 127.0.0.1 is connected to from as
	// many of the 127.0.0.0/8 as are needed.
	LocalAddresses []net.IP

	// PIDs are the server's processes, whose CPU time and resident memory are
	// read from /proc, and Metrics is the URL of a Prometheus page with
	// process_cpu_seconds_total and process_resident_memory_bytes. Either is
	// enough. PIDs are used on Linux only. Default: for a URL of this machine, on
	// Linux, the processes that listen there, if this one may look at them.
	PIDs    []int
	Metrics string

	// Progress, if not nil, is called a few times each second by one goroutine, and
	// must not block.
	Progress func(Progress)

	dial     func(ctx context.Context, i int) (opened, error)   // for tests: no network
	dialHTTP func(ctx context.Context, i int) (net.Conn, error) // for tests: no network
}

// isVirtual reports whether there is no network.
func (o *Options) isVirtual() bool { return o.dial != nil || o.dialHTTP != nil }

// FanoutOptions say how a server is subscribed and published to that is not a
// channel of Godwit's.
type FanoutOptions struct {
	// Subscribe are messages that each subscriber sends first, as text.
	Subscribe []string

	// PublisherURL is where the publisher connects. Default: the same URL; on a
	// channel of Godwit's with self=0, so that it gets nothing itself.
	PublisherURL string

	// PublisherFirst are messages that the publisher sends first, as text.
	PublisherFirst []string

	// Publish is the message to publish with {payload} where the payload goes.
	// Default: the payload alone. If it is set, subscribers look for payloads
	// anywhere in what they get, and otherwise every message must be one.
	Publish string

	// Slow is how many more subscribers there are that read only SlowBytes of payload a
	// second, by default 1000, and are not measured themselves. Their figures are in
	// Report.Slow. On a channel of Godwit's they ask for envelopes. Default none.
	Slow      int
	SlowBytes int
}

// PublishOptions say how something is published with a request over HTTP.
type PublishOptions struct {
	// URL is where SSE publishes. Default: where the streams are, without the
	// query.
	URL string

	// Method is the request's. Default POST.
	Method string

	// Header is sent with each of these requests, and replaces fields of the same
	// name in Options.Header. Default: Content-Type is text/plain; charset=utf-8.
	Header http.Header

	// Body is the content with {payload} where the payload goes. Default: the
	// payload alone.
	Body string

	// Publishers is on how many connections SSE publishes, in turn, with one request
	// at a time on each. Default 1.
	Publishers int
}

// StormOptions say how the storm comes.
type StormOptions struct {
	// Rounds is how often everybody is dropped. Default 3.
	Rounds int

	// Spread is the time over which the clients come back, evenly. Default 0:
	// all at once.
	Spread time.Duration

	// Server, if not empty, is the command line of the server, for the shell of the
	// system. It is started, killed in each round as by kill -9, and started again, and
	// clients come back as they are told. The URL is that of a channel of Godwit's: of
	// its event streams if it begins with http, of its WebSockets if it begins with ws, and
	// then, if Options.Subprotocols has godwit.v1, of sessions that are subscribed to it.
	// Numbers are published there all the time, Options.Rate a second and one by
	// default, to see whether any is lost. Rounds is 1 by default then, and Spread is
	// not used.
	Server string

	// Calm is how long everybody is connected before a round. Default 1 second. With
	// Server it is 20 seconds, after which a server has told its clients anew when to
	// come back, now that they are so many.
	Calm time.Duration
}

// ErrOptions is in the chain of every error that is about Options or the URL.
var ErrOptions = errors.New("loadgen: invalid options")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
}

// withDefaults fills in the defaults for a kind of load, and checks the rest.
func (o Options) withDefaults(kind Kind, target string) (Options, error) {
	if err := checkTarget(kind, target); err != nil {
		return o, err
	}
	warmup := o.Warmup
	if warmup == NoWarmup {
		warmup = 0
	}
	if err := cmp.Or(
		negative("Connections", o.Connections), negative("Size", o.Size), negative("Window", o.Window),
		negative("Rate", o.Rate), negative("Ramp", o.Ramp),
		negative("Duration", o.Duration), negative("Warmup", warmup), negative("Drain", o.Drain), negative("HandshakeTimeout", o.HandshakeTimeout),
		negative("Storm.Rounds", o.Storm.Rounds), negative("Storm.Spread", o.Storm.Spread), negative("Storm.Calm", o.Storm.Calm),
		negative("Publishing.Publishers", o.Publishing.Publishers),
		negative("Fanout.Slow", o.Fanout.Slow), negative("Fanout.SlowBytes", o.Fanout.SlowBytes),
	); err != nil {
		return o, err
	}
	orDefault(&o.Connections, DefaultConnections)
	if kind == KindStorm {
		orDefault(&o.Duration, time.Minute)
	}
	orDefault(&o.Duration, DefaultDuration)
	orDefault(&o.Warmup, DefaultWarmup)
	if o.Warmup == NoWarmup || kind == KindConnections || kind == KindStorm {
		o.Warmup = 0
	}
	orDefault(&o.Size, DefaultSize)
	orDefault(&o.Window, DefaultWindow)
	orDefault(&o.Drain, DefaultDrain)
	orDefault(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	if o.Storm.Server != "" {
		orDefault(&o.Storm.Rounds, 1)
		orDefault(&o.Storm.Calm, outageCalm)
		if o.Rate == 0 {
			o.Rate = 1
		}
	}
	orDefault(&o.Storm.Rounds, DefaultRounds)
	orDefault(&o.Storm.Calm, stormPause)
	orDefault(&o.Fanout.SlowBytes, DefaultSlowBytes)
	switch {
	case o.Connections > ConnectionsMax:
		return o, invalid("%d connections: there must be 1 to %d", o.Connections, ConnectionsMax)
	case o.Duration < tickMin:
		return o, invalid("a duration of %v: it must be %v or more", o.Duration, tickMin)
	case o.Size > SizeMax:
		return o, invalid("a size of %d bytes: it must be 1 to %d", o.Size, SizeMax)
	case kind.hasSubscribers() && o.Size < fanoutSizeMin:
		return o, invalid("a size of %d bytes: a publication must have %d or more, to be recognised", o.Size, fanoutSizeMin)
	case o.Window > WindowMax:
		return o, invalid("a window of %d: it must be 1 to %d", o.Window, WindowMax)
	case !(o.Rate <= rateMax): // nor NaN
		return o, invalid("a rate of %v a second: it must be above 0 and at most %v", o.Rate, float64(rateMax))
	case !(o.Ramp <= rateMax):
		return o, invalid("a ramp of %v connections a second: it must be above 0 and at most %v", o.Ramp, float64(rateMax))
	case (kind == KindSSE || kind == KindPublish) && (o.Binary || o.Compress || len(o.Subprotocols) > 0):
		return o, invalid("binary messages, compression and subprotocols are of WebSockets")
	case kind == KindStorm && o.Storm.Server != "" && (o.Binary || o.Compress || o.Storm.Spread > 0 || len(o.PIDs) > 0 || o.Metrics != ""):
		return o, invalid("a server that is started here is observed by itself, and its clients come back as it tells them: no spread, no process ID, no metrics, no binary messages, no compression")
	case len(o.PIDs) > 0 && o.Metrics != "":
		return o, invalid("process IDs and a metrics URL exclude each other")
	case o.Metrics != "" && !isHTTP(o.Metrics):
		return o, invalid("%.200q is not the URL of metrics; write for example http://127.0.0.1:8000/metrics", redact.Text(o.Metrics))
	}
	if err := o.Fanout.check(); err != nil {
		return o, err
	}
	return o, o.Publishing.check(kind, target)
}

// checkTarget refuses a URL that the load cannot be made for.
func checkTarget(kind Kind, target string) error {
	u, err := url.Parse(target)
	good := err == nil && u.Host != "" && u.Fragment == ""
	switch {
	case kind == KindSSE || kind == KindPublish:
		if good && (u.Scheme == "ws" || u.Scheme == "wss") {
			return invalid("%.200q is the URL of a WebSocket; over HTTP it begins with http:// or https://", redact.Text(target))
		}
		if !good || u.Scheme != "http" && u.Scheme != "https" {
			return invalid("%.200q is not a URL to load; write for example http://127.0.0.1:8000/channels/bench", redact.Text(target))
		}
	case !good || u.Scheme != "ws" && u.Scheme != "wss" && u.Scheme != "http" && u.Scheme != "https":
		return invalid("%.200q is not a URL to load; write for example ws://127.0.0.1:9001/", redact.Text(target))
	}
	return nil
}

// isHTTP reports whether text is a URL of HTTP.
func isHTTP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// check fills in the defaults for SSE and Publish, and checks the rest.
func (p *PublishOptions) check(kind Kind, target string) error {
	if kind != KindSSE && kind != KindPublish {
		*p = PublishOptions{}
		return nil
	}
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	if kind == KindPublish {
		p.URL, p.Publishers = target, 0
	} else {
		orDefault(&p.Publishers, DefaultPublishers)
		if p.Publishers > PublishersMax {
			return invalid("%d publishers: there must be 1 to %d", p.Publishers, PublishersMax)
		}
		if p.URL == "" {
			u, _ := url.Parse(target) // it could be parsed before
			u.RawQuery, u.ForceQuery = "", false
			p.URL = u.String()
		} else if err := checkTarget(kind, p.URL); err != nil {
			return err
		}
	}
	if p.Body != "" && strings.Count(p.Body, payloadMark) != 1 {
		return invalid("%.200q is not a body to publish: it must have %s once", p.Body, payloadMark)
	}
	return nil
}

// negative refuses an option that is negative.
func negative[T int | float64 | time.Duration](option string, v T) error {
	if v < 0 {
		return invalid("option %s: %v is negative; 0 is the default", option, v)
	}
	return nil
}

func orDefault[T int | time.Duration](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}
