package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/flight"
)

// checkTogether reports what each setting allows and all of them do not.
func (c *Config) checkTogether(report func(key, text string)) {
	if c.Credentials && slices.Contains(c.Origins, "*") {
		report("credentials", `origins has "*", and what every page there is may do must not come with credentials; `+
			"list the origins that may one by one, or leave credentials off")
	}
	if c.Limits.QueueBytes < c.Limits.PublicationBytes && c.Limits.QueueBytes > 0 {
		report("limits.queue_bytes", strconv.Itoa(c.Limits.QueueBytes)+
			" could not hold one publication; at least limits.publication_bytes ("+
			strconv.Itoa(c.Limits.PublicationBytes)+") is needed")
	}
	c.checkBroker(report)
	c.Reconnect.check(&c.Limits, report)
	if len(c.Listen) == 0 {
		report("listen", "the list is empty; write an address, for example "+DefaultListen)
	}
	for i, a := range c.Listen {
		if slices.Contains(c.Listen[:i], a) && !strings.HasSuffix(a, ":0") {
			report(fmt.Sprintf("listen[%d]", i), strconv.Quote(a)+" is there twice")
		}
	}
	for i, a := range c.Admin.Listen {
		if slices.Contains(c.Listen, a) && !strings.HasSuffix(a, ":0") {
			report(fmt.Sprintf("admin.listen[%d]", i), strconv.Quote(a)+" is in listen, too; it needs an address of its own")
		}
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		report("proxy_protocol", "only trusted_proxies may send a PROXY header, and there are none; list their addresses")
	}
	c.TLS.check(report)
	for i := range c.Tokens {
		c.Tokens[i].check(fmt.Sprintf("tokens[%d]", i), report)
	}
	checkKeys(c.Keys, report)
	for i := range c.Channels {
		key := fmt.Sprintf("channels[%d]", i)
		c.Channels[i].check(key, &c.Limits, report)
		for j := range i {
			if c.Channels[j].Match == c.Channels[i].Match && !c.Channels[i].Match.IsZero() {
				report(key+".match", fmt.Sprintf("%q stands in channels[%d] already, and the first that matches counts", c.Channels[i].Match, j))
				break
			}
		}
	}
	c.Hooks.check(report)
	c.checkApps(report)
	checkBridges(c.Bridges, report)
	c.SocketIO.check(&c.Hooks.SocketIO, report)
	if n := c.Flight.Bytes; n != nil && *n > 0 && *n < flight.BytesMin {
		report("flight.bytes", fmt.Sprintf("%d is too little to remember anything; at least %d are needed, or 0 for nothing", *n, flight.BytesMin))
	}
	if c.Tracing.Endpoint == "" && (c.Tracing.Sample != nil || c.Tracing.Service != "") {
		report("tracing.endpoint", "it is needed for tracing; write for example http://localhost:4318")
	}
}

func (r *Reconnect) check(limits *Limits, report func(key, text string)) {
	if r.SessionsPerSecond > limits.SessionsPerSecond && limits.SessionsPerSecond > 0 {
		report("reconnect.sessions_per_second", strconv.Itoa(r.SessionsPerSecond)+
			" sessions would come back in a second, and limits.sessions_per_second lets in "+strconv.Itoa(limits.SessionsPerSecond)+
			"; write less, or raise the limit")
	}
	if r.WindowMin > r.WindowMax && r.WindowMax > 0 {
		report("reconnect.window_min", r.WindowMin.String()+" is longer than reconnect.window_max ("+r.WindowMax.String()+")")
	}
}

func (t *TLS) check(report func(key, text string)) {
	hasACME := len(t.ACME.Domains) > 0
	switch {
	case t.Cert != "" && t.Key == "":
		report("tls.key", "it is needed beside tls.cert: the file with the private key")
	case t.Key != "" && t.Cert == "":
		report("tls.cert", "it is needed beside tls.key: the file with the certificate")
	case t.Cert != "" && hasACME:
		report("tls.acme", "tls.cert and tls.key are set, too; use these files or acme, not both")
	}
	a := t.ACME
	switch {
	case !hasACME && (a.Email != "" || a.Directory != "" || a.Storage != "" || a.HTTP != ""):
		report("tls.acme.domains", "it is needed for acme: the names to get certificates for")
	case hasACME && a.Storage == "":
		report("tls.acme.storage", "it is needed for acme: a directory that stays, for example /var/lib/godwit/acme")
	}
}

func (t *TokenIssuer) check(key string, report func(key, text string)) {
	sources := 0
	for _, isSet := range []bool{!t.Secret.IsZero(), !t.Key.IsZero(), t.JWKS != ""} {
		if isSet {
			sources++
		}
	}
	switch {
	case sources == 0:
		report(key, "one of secret, key and jwks is needed: with what are tokens checked?")
	case sources > 1:
		report(key, "secret, key and jwks exclude each other; make each an item of its own")
	}
	for i, a := range t.Algorithms {
		isSymmetric := strings.HasPrefix(a, "HS")
		at := fmt.Sprintf("%s.algorithms[%d]", key, i)
		switch {
		case isSymmetric && sources == 1 && t.Secret.IsZero():
			report(at, a+" is for a secret; a public key cannot check it")
		case !isSymmetric && sources == 1 && !t.Secret.IsZero():
			report(at, a+" is for a key or jwks; a secret is for HS256, HS384 and HS512")
		}
	}
}

func checkKeys(keys []BackendKey, report func(key, text string)) {
	for i, k := range keys {
		at := fmt.Sprintf("keys[%d]", i)
		switch {
		case k.Name == "":
			report(at, "a name is needed")
		case k.Hash == "":
			report(at, "a hash is needed; godwit key new "+k.Name+" makes a key and prints it")
		case k.Grants.IsZero():
			report(at, `grants are needed, such as {publish: ["**"]}; without any the key may do nothing`)
		}
		for j := range i {
			switch {
			case k.Name != "" && keys[j].Name == k.Name:
				report(at+".name", fmt.Sprintf("%q is the name of keys[%d], too; each needs its own", k.Name, j))
			case k.Hash != "" && strings.EqualFold(keys[j].Hash, k.Hash):
				report(at+".hash", fmt.Sprintf("this is the hash of keys[%d], too; each needs its own", j))
			}
		}
	}
}

func (p *ChannelPolicy) check(key string, limits *Limits, report func(key, text string)) {
	if p.Match.IsZero() {
		report(key, `match is needed: the pattern of the channels that this is about, for example "scores/**"`)
	}
	if p.PublicationBytes > limits.PublicationBytes {
		report(key+".publication_bytes", fmt.Sprintf("%d is more than limits.publication_bytes (%d) lets in", p.PublicationBytes, limits.PublicationBytes))
	}
	if p.Key != "" && p.Rate == 0 && slowPolicy(p.Slow) != hub.Conflate {
		report(key+".key", "nothing replaces anything in these channels; set slow: conflate, or a rate")
	}
}

func (h *Hooks) check(report func(key, text string)) {
	if h.areOn() && len(h.Secrets) == 0 {
		report("hooks.secrets", "one is needed, so that the application can tell our requests from those of others: env:NAME or file:PATH of 24 random bytes or more")
	}
	for _, hook := range []struct {
		key, url string
		isSet    bool
	}{
		{"hooks.connect", h.Connect.URL, h.Connect.Timeout != 0 || h.Connect.Forward != nil},
		{"hooks.subscribe", h.Subscribe.URL, h.Subscribe.Timeout != 0 || h.Subscribe.Forward != nil || h.Subscribe.Channels != nil},
		{"hooks.publish", h.Publish.URL, h.Publish.Timeout != 0 || h.Publish.Forward != nil || h.Publish.Channels != nil},
		{"hooks.rpc", h.RPC.URL, h.RPC.Timeout != 0 || h.RPC.Methods != nil},
		{"hooks.socketio", h.SocketIO.URL, h.SocketIO.Timeout != 0 || h.SocketIO.Forward != nil},
		{"hooks.events", h.Events.URL, h.Events.Timeout != 0 || h.Events.Channels != nil || h.Events.Types != nil || h.Events.Retry != 0},
	} {
		if hook.url == "" && hook.isSet {
			report(hook.key, "a url is needed: who is asked or told?")
		}
	}
}

// checkBroker reports what does not go together of what keeps histories.
func (c *Config) checkBroker(report func(key, text string)) {
	b := &c.Broker
	if c.Data != "" && b.IsOn() {
		report("data", "broker.url has a broker, which keeps the histories; leave one of the two out")
	}
	if c.Sync != "" && c.Data == "" {
		report("sync", "it says when data is written, and data is not set; write for example data: /var/lib/godwit")
	}
	for i, u := range b.URL {
		if u.IsLiteral() {
			if text := checkBrokerURL(u.text); text != "" {
				report(fmt.Sprintf("broker.url[%d]", i), text)
			}
		}
	}
	if !b.IsOn() {
		for _, of := range []struct {
			key   string
			isSet bool
		}{
			{"broker.user", b.User != ""},
			{"broker.password", !b.Password.IsZero()},
			{"broker.tls.ca", b.TLS.CA != ""},
			{"broker.tls.cert", b.TLS.Cert != ""},
			{"broker.nats.credentials", b.NATS.Credentials != ""},
			{"broker.nats.replicas", b.NATS.Replicas != 0},
			{"broker.nats.storage", b.NATS.Storage != ""},
			{"broker.nats.prefix", b.NATS.Prefix != ""},
			{"broker.away", b.Away != 0},
			{"cluster.listen", c.Cluster.Listen != ""},
			{"cluster.advertise", c.Cluster.Advertise != ""},
			{"cluster.tls.cert", c.Cluster.TLS.Cert != ""},
			{"cluster.tls.ca", c.Cluster.TLS.CA != ""},
		} {
			if of.isSet {
				report(of.key, "it needs a broker; write for example broker: {url: nats://localhost}")
			}
		}
	}
	if (b.TLS.Cert == "") != (b.TLS.Key == "") {
		report("broker.tls.cert", "broker.tls.cert and broker.tls.key belong together; set both or none")
	}
	if t := c.Cluster.TLS; t != (ClusterTLS{}) && (t.Cert == "" || t.Key == "" || t.CA == "") {
		report("cluster.tls", "cluster.tls.cert, cluster.tls.key and cluster.tls.ca belong together; set all or none")
	}
}
