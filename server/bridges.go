package server

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/jsonpointer"
	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/server/bridge/feed"
)

// resolveBridges looks up what bridges refer to. The error is a *SettingError.
func (c *Config) resolveBridges() (specs []*bridge.Spec, err error) {
	for i := range c.Bridges {
		spec, err := c.Bridges[i].resolve(fmt.Sprintf("bridges[%d]", i))
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// resolve makes a bridge of b, which has been checked and is at key.
func (b *Bridge) resolve(key string) (*bridge.Spec, error) {
	s := &bridge.Spec{
		Header: make(http.Header), Subprotocol: b.Subprotocol,
		MessageBytes: b.MessageBytes, Ping: b.Ping, Idle: b.Idle, Timeout: b.Timeout, BackoffMin: b.Backoff.Min, BackoffMax: b.Backoff.Max,
		Feed: feed.Spec{
			Name: b.Name, AnswerTimeout: b.Timeout, RetryMin: b.Backoff.Min, RetryMax: b.Backoff.Max,
			PingEach: b.Ping, ChannelsMax: b.ChannelsMax,
		},
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", jsonOf(b))
	look := func(of Secret, part string) (string, error) {
		text, err := of.Resolve()
		if err != nil {
			return "", failed(key+part, err)
		}
		fmt.Fprintf(sum, "%d %s\n", len(text), text)
		return string(text), nil
	}
	var err error
	if s.URL, err = look(b.URL, ".url"); err != nil {
		return nil, err
	}
	if wrong := checkUpstream(s.URL); wrong != "" {
		return nil, &SettingError{Key: key + ".url", Text: wrong}
	}
	for i, h := range b.Headers {
		if h.Value.IsZero() {
			continue // that was said before
		}
		part := fmt.Sprintf(".headers[%d].value", i)
		value, err := look(h.Value, part)
		if err != nil {
			return nil, err
		}
		if !isFieldValue(value) {
			return nil, &SettingError{Key: key + part, Text: "it has characters that no field of a header can have; it may be of ASCII without control characters"}
		}
		s.Header.Add(h.Name, value)
	}
	if !b.Login.IsZero() {
		login, err := look(b.Login, ".login")
		if err != nil {
			return nil, err
		}
		r, err := feed.ParseRequest(login)
		if err != nil {
			return nil, &SettingError{Key: key + ".login", Text: "it " + err.Error()}
		}
		s.Feed.First = append(s.Feed.First, r)
	}
	if s.TLS, err = b.TLS.load(key + ".tls.ca"); err != nil {
		return nil, err
	}
	if b.TLS.CA != "" {
		pem, err := os.ReadFile(b.TLS.CA)
		if err != nil {
			return nil, failed(key+".tls.ca", err)
		}
		fmt.Fprintf(sum, "%s\n", pem)
	}
	if err := b.parse(&s.Feed); err != nil {
		return nil, failed(key, err)
	}
	s.Written = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

func isFieldValue(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c > '~' {
			return false
		}
	}
	return true
}

// load reads the file, which is the setting key.
func (t *BridgeTLS) load(key string) (*tls.Config, error) {
	config, err := (&BrokerTLS{CA: t.CA}).load()
	if err != nil {
		return nil, failed(key, fmt.Errorf("%s", err.(*SettingError).Text))
	}
	config.InsecureSkipVerify = t.InsecureSkipVerify
	return config, nil
}

// parse makes what b sends and expects of its texts, which have been checked.
func (b *Bridge) parse(s *feed.Spec) error {
	p := parsing{}
	for _, message := range b.Send {
		s.First = append(s.First, parse(&p, feed.ParseRequest, message))
	}
	s.Failures = p.filters(b.Failure)
	if b.PingMessage != "" {
		s.Ping = []byte(b.PingMessage)
	}
	for i := range b.Subscriptions {
		of := &b.Subscriptions[i]
		sub := feed.Subscription{
			Match: p.filters(of.Match), Ignore: p.filters(of.Ignore), Channel: parse(&p, feed.ParseChannel, of.Channel), Data: parse(&p, jsonpointer.Parse, of.Data),
			Event: parse(&p, feed.ParseTemplate, of.Event), Key: parse(&p, feed.ParseTemplate, of.Key), ID: parse(&p, feed.ParseTemplate, of.ID),
		}
		if of.Send != "" {
			sub.Send = parse(&p, feed.ParseRequest, of.Send)
		}
		s.Subscriptions = append(s.Subscriptions, sub)
	}
	return p.err
}

// parsing keeps the first error.
type parsing struct{ err error }

func parse[T any](p *parsing, f func(string) (T, error), text string) T {
	v, err := f(text)
	if err != nil && p.err == nil {
		p.err = err
	}
	return v
}

func (p *parsing) filters(texts []string) (filters []feed.Filter) {
	for _, text := range texts {
		filters = append(filters, parse(p, feed.ParseFilter, text))
	}
	return filters
}

// makeBridges makes what follows others. Nothing is dialled before the server serves.
func (s *Server) makeBridges(specs []*bridge.Spec) {
	var owner bridge.Owner
	if s.node != nil {
		owner = s.newBridgeOwner()
	}
	s.bridges = bridge.New(s.hub, owner, s.log)
	s.configured = specs
	s.bridges.Replace(specs)
	if s.node != nil {
		s.node.Handle(askBridges, func(context.Context, string, []byte) ([]byte, error) {
			return json.Marshal(s.ownBridges())
		})
	}
}

// bridgesTimeout is how long the last words of bridges may take.
const bridgesTimeout = 5 * time.Second

// closeBridges ends them. Their channels are told.
func (s *Server) closeBridges() {
	if s.bridges == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bridgesTimeout)
	defer cancel()
	s.bridges.Close(ctx)
}

// pauseBridges ends them until Start: another process is about to have them.
func (s *Server) pauseBridges(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, bridgesTimeout)
	defer cancel()
	s.bridges.Pause(ctx)
}

// tryBridges tries what bridges refer to, as a start would. Nobody is dialled.
func (e *Examination) tryBridges() {
	for i := range e.Config.Bridges {
		b, key := &e.Config.Bridges[i], fmt.Sprintf("bridges[%d]", i)
		if b.URL.IsZero() {
			continue // it has failed
		}
		spec, err := b.resolve(key)
		if wrong, ok := errors.AsType[*SettingError](err); ok && wrong.Key != key { // or else it was said before
			e.fail(wrong.Key, errors.New(wrong.Text))
		}
		if err == nil && b.isSensitive() && strings.HasPrefix(spec.URL, "ws:") && !isNear(spec.URL) {
			e.note(key+".url", "secrets are sent without TLS, so that others can read them on the way; use wss://")
		}
	}
}

// warnOfBridges notes what of bridges is probably not meant.
func (e *Examination) warnOfBridges() {
	for i := range e.Config.Bridges {
		if e.Config.Bridges[i].TLS.InsecureSkipVerify {
			e.note(fmt.Sprintf("bridges[%d].tls.insecure_skip_verify", i), "anybody on the way to the upstream can say what is published here; use tls.ca with the authority of its certificate")
		}
	}
}

// Feeds says which subscriptions of bridges may publish in a channel, and where they are set.
func (e *Examination) Feeds(channel string) (feeds []string) {
	for i := range e.Config.Bridges {
		b := &e.Config.Bridges[i]
		for j := range b.Subscriptions {
			if c, err := feed.ParseChannel(b.Subscriptions[j].Channel); err == nil && c.MayBe(channel) {
				key := fmt.Sprintf("bridges[%d].subscriptions[%d]", i, j)
				feeds = append(feeds, fmt.Sprintf("%s, of bridge %s, channel %q, at %s", key, b.Name, c, e.sources[key]))
			}
		}
	}
	return feeds
}

// isNear reports whether a URL leads to this machine.
func isNear(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

// isURLKey reports whether a setting is a URL that may have a secret, and mostly has none.
func isURLKey(key string) bool {
	return strings.HasPrefix(key, "broker.url") || strings.HasPrefix(key, "bridges[") && strings.HasSuffix(key, "].url")
}

// isOpenHeader reports whether a setting is the value of a field whose name does not speak of a secret.
func (c *Config) isOpenHeader(key string) bool {
	for i := range c.Bridges {
		for j, h := range c.Bridges[i].Headers {
			if key == fmt.Sprintf("bridges[%d].headers[%d].value", i, j) {
				name := strings.ToLower(h.Name)
				return !slices.ContainsFunc([]string{"auth", "cookie", "key", "token", "secret", "pass", "sign"}, func(part string) bool { return strings.Contains(name, part) })
			}
		}
	}
	return false
}
