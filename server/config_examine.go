package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/server/certs"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/server/redisbroker"
)

// Examination is a configuration and everything that can be said about it.
type Examination struct {
	// Config is what was loaded, with its defaults. Settings named in the Errors are not
	// to be relied on.
	Config Config

	Errors   []error  // everything that keeps it from being used, usually a *SettingError each
	Warnings []string // what can be used and is probably not meant, each with its place

	sources map[string]string
}

// Examine is Load for people: it finds all errors and not only the first.
func Examine(path string, environ []string, overrides []Override) *Examination {
	l := load(path, environ, overrides)
	e := &Examination{Config: l.config, Errors: l.errs, sources: l.sources}
	if len(e.Errors) == 0 {
		e.warn()
	}
	return e
}

// LookUp also tries what the configuration refers to: secrets, and files of keys and
// certificates. Nothing is asked over the network.
func (e *Examination) LookUp() {
	for i := range e.Config.Tokens {
		e.tryIssuer(&e.Config.Tokens[i], fmt.Sprintf("tokens[%d]", i))
	}
	for i, secret := range e.Config.Hooks.Secrets {
		if secret.IsZero() {
			continue // it has failed
		}
		key := fmt.Sprintf("hooks.secrets[%d]", i)
		b, err := secret.Resolve()
		if err == nil {
			err = tryHookSecret(b)
		}
		if err != nil {
			e.fail(key, err)
		}
	}
	e.tryHooks()
	e.tryApps()
	e.tryBridges()
	e.tryClientDir()
	e.tryBroker()
	if wrong := openToOthers(e.Config.Data); wrong != "" {
		e.note("data", "%s", wrong)
	}
	if t := e.Config.TLS; t.Cert != "" && t.Key != "" {
		if _, err := certs.Load(t.Cert, t.Key); err != nil {
			e.fail("tls.cert", err)
		}
	}
	if t := e.Config.Cluster.TLS; t.Cert != "" && t.Key != "" && t.CA != "" {
		if _, err := t.load(slog.New(slog.DiscardHandler)); err != nil {
			wrong, _ := errors.AsType[*SettingError](err)
			e.fail(wrong.Key, errors.New(wrong.Text))
		}
	}
	if dir := e.Config.TLS.ACME.Storage; dir != "" {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			e.fail("tls.acme.storage", fmt.Errorf("%s is a file; a directory is needed", dir))
		}
	}
}

// tokenSecretBytesGood is the length that HS256 asks for (RFC 7518 §3.2).
const tokenSecretBytesGood = 32

// tryIssuer tries the keys of t, which is at key, unless they are elsewhere.
func (e *Examination) tryIssuer(t *TokenIssuer, key string) {
	if t.Secret.IsZero() && t.Key.IsZero() && !strings.HasPrefix(t.JWKS, "file:") {
		return
	}
	issuer, err := issuerOf(t, key)
	if se, ok := errors.AsType[*SettingError](err); ok {
		e.fail(se.Key, errors.New(se.Text))
		return
	}
	identities, err := identity.New(&identity.Options{Issuers: []identity.Issuer{issuer}, Logger: slog.New(slog.DiscardHandler)})
	part := map[bool]string{issuer.Secret != nil: ".secret", issuer.PEM != nil: ".key", issuer.JWKS != nil: ".jwks"}[true]
	if err != nil {
		e.fail(key+part, errors.New(strings.TrimPrefix(err.Error(), "identity: "+key+": ")))
		return
	}
	identities.Close()
	if issuer.Secret != nil && len(issuer.Secret) < tokenSecretBytesGood {
		e.note(key+part, "the secret is shorter than %d bytes; use at least so many random ones", tokenSecretBytesGood)
	}
}

// tryHooks tries everything of hooks but their secrets, as a start would. Nobody is asked.
func (e *Examination) tryHooks() {
	o := hookOptions(&e.Config.Hooks)
	if o == nil {
		return
	}
	o.Secrets = [][]byte{make([]byte, 32)} // a stand-in, which is long enough
	h, err := hooks.New(o)
	if err != nil {
		wrong := hooksFailed(err)
		e.fail(wrong.Key, errors.New(wrong.Text))
		return
	}
	_ = h.Close(context.Background()) // it has nothing to wait for
}

// tryApps tries the secrets of apps. What else is wrong with apps has been said.
func (e *Examination) tryApps() {
	c := &e.Config
	apps := make([]app.App, len(c.Apps))
	for i := range c.Apps {
		apps[i] = c.Apps[i].state(&c.Limits)
		apps[i].Secret = make([]byte, app.SecretBytesMin) // a stand-in for one that there is not
		if c.Apps[i].Secret.IsZero() {
			continue
		}
		secret, err := c.Apps[i].Secret.Resolve()
		if err != nil {
			e.fail(fmt.Sprintf("apps[%d].secret", i), err)
			continue
		}
		apps[i].Secret = secret
	}
	for _, fault := range app.Faults(apps) {
		if fault.Field == "Secret" {
			wrong := appFailed(fault)
			e.fail(wrong.Key, errors.New(wrong.Text))
		}
	}
}

// tryBroker tries what the settings of a broker refer to, as a start would. The broker is not asked.
func (e *Examination) tryBroker() {
	b := &e.Config.Broker
	if !b.IsOn() {
		return
	}
	urls, scheme, wrongURL := b.resolve()
	if wrongURL == nil && brokerKind(scheme) == "redis" {
		if wrong, ok := errors.AsType[*redisbroker.URLError](redisbroker.ParseURLs(urls)); ok {
			wrongURL = &SettingError{Key: "broker.url", Text: wrong.Problem}
		}
	}
	_, wrongPassword := b.password()
	_, wrongTLS := b.TLS.load()
	for _, err := range []error{wrongURL, wrongPassword, wrongTLS} {
		if se, ok := errors.AsType[*SettingError](err); ok {
			e.fail(se.Key, errors.New(se.Text))
		}
	}
	if file := b.NATS.Credentials; file != "" {
		if _, err := os.ReadFile(file); err != nil {
			e.fail("broker.nats.credentials", err)
		}
	}
}

// clientScript is what pages load from a server of Socket.IO.
const clientScript = "socket.io.js"

func (e *Examination) tryClientDir() {
	dir := e.Config.SocketIO.ClientDir
	if dir == "" {
		return
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		e.fail("socketio.client_dir", fmt.Errorf("%s is not a directory that can be read", dir))
		return
	}
	defer root.Close()
	if _, err := root.Stat(clientScript); err != nil {
		e.note("socketio.client_dir", "there is no %s in %s; that of npm is node_modules/socket.io-client/dist", clientScript, dir)
	}
}

// tryHookSecret says what is wrong with a secret of hooks. Nobody is asked.
func tryHookSecret(secret []byte) error {
	h, err := hooks.New(&hooks.Options{Connect: &hooks.Question{URL: "https://app.example.com/"}, Secrets: [][]byte{secret}})
	var wrong *hooks.OptionError
	if errors.As(err, &wrong) {
		return errors.New(wrong.Reason)
	}
	if err != nil {
		return err
	}
	return h.Close(context.Background())
}

func (e *Examination) fail(key string, err error) {
	l := loader{sources: e.sources}
	e.Errors = append(e.Errors, &SettingError{Key: key, Source: l.sourceOf(key), Text: strings.TrimPrefix(err.Error(), "tls: ")})
}

func (e *Examination) note(key, format string, args ...any) {
	l := loader{sources: e.sources}
	err := &SettingError{Key: key, Source: l.sourceOf(key), Text: fmt.Sprintf(format, args...)}
	e.Warnings = append(e.Warnings, err.Error())
}

// warn notes what can be known without looking anything up.
func (e *Examination) warn() {
	c := &e.Config
	for _, s := range secretsIn(settings, c, "") {
		isOpen := strings.HasSuffix(s.key, ".key") || isURLKey(s.key) && !s.secret.hasPassword() || c.isOpenHeader(s.key)
		if s.secret.IsLiteral() && !isOpen { // a public key is no secret, nor is the address of a server
			e.note(s.key, "the secret stands there itself; env:NAME or file:PATH keeps it out of files that are passed around")
		}
	}
	reach := c.reachable()
	switch {
	case c.Insecure && c.IsProtected():
		e.note("insecure", "it has no effect, because clients have to say who they are")
	case c.Insecure && reach != "":
		e.note("insecure", "everyone who can reach %s can read and publish on every channel", reach)
	}
	if c.IsProtected() && reach != "" && !c.TLS.IsOn() && len(c.TrustedProxies) == 0 {
		e.note("listen", "tokens and keys come to %s without TLS, so that others can read them on the way; configure tls, or trusted_proxies for what has it in front", reach)
	}
	e.warnOfBridges()
	if c.Hooks.SocketIO.URL != "" && len(c.SocketIO.BackendEvents) == 0 && !c.SocketIO.BackendConnect {
		e.note("hooks.socketio.url", "it is never asked; socketio.backend_events says which events it is given, and socketio.backend_connect has it asked about clients")
	}
	for i := range c.Channels {
		for j := range i {
			if c.Channels[j].Match.Covers(c.Channels[i].Match, "") {
				e.note(fmt.Sprintf("channels[%d].match", i), "it never counts, because channels[%d] comes first, and its %q matches the same channels", j, c.Channels[j].Match)
				break
			}
		}
	}
}

// reachable is the first address that other machines can reach, as far as that can
// be known without asking for names, or nothing.
func (c *Config) reachable() string {
	for _, listen := range c.Listen {
		host, _, err := net.SplitHostPort(listen)
		if err != nil || strings.HasPrefix(listen, unixPrefix) || strings.HasPrefix(listen, systemdPrefix) {
			continue
		}
		ip, err := netip.ParseAddr(host)
		isLocal := err == nil && ip.IsLoopback() || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
		if !isLocal {
			return listen
		}
	}
	return ""
}

// Err is all Errors as one, or nil.
func (e *Examination) Err() error { return errors.Join(e.Errors...) }

// Explained is one setting of a channel.
type Explained struct {
	Key    string // as in a section of channels: history.count
	Value  string // as it is written in a file, or "none"
	Source string // where it was set, or "default"
}

// Explain says how a channel behaves and where that comes from: the section of
// channels that counts, in words, and each setting.
func (e *Examination) Explain(channel string) (rule string, all []Explained) {
	p, index := e.Config.PolicyOf(channel)
	section := fmt.Sprintf("channels[%d]", index)
	rule = "no section of channels matches"
	if index >= 0 {
		rule = fmt.Sprintf("%s, match %q, at %s", section, p.Match, e.sources[section])
	}
	for _, s := range channelSettings {
		if s.key == "match" {
			continue
		}
		row := Explained{Key: s.key, Value: written(s, s.field(&p)), Source: "default"}
		if source, ok := e.sources[section+"."+s.key]; ok {
			row.Source = source
		} else if source, ok := e.sources[defaultOf(s.key)]; ok {
			row.Source = source + ", " + defaultOf(s.key)
		}
		all = append(all, row)
	}
	return rule, all
}
