package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/natsbroker"
)

// makeBroker makes what keeps the histories. It connects to nothing yet.
func (s *Server) makeBroker() error {
	c := &s.config
	switch {
	case s.broker != nil: // of a test
		return nil
	case c.Broker.IsOn():
		return s.makeRemoteBroker()
	}
	memory := membroker.Options{
		HistoryBytesMax: int64(c.Limits.HistoryBytes),
		ChannelsMax:     c.Limits.Channels,
	}
	if c.Data != "" {
		return s.makeDiskBroker(memory)
	}
	local, err := membroker.New(&memory)
	if err != nil {
		return err
	}
	s.local = relay.New(local)
	s.broker = s.local
	return nil
}

// makeRemoteBroker makes one that is elsewhere. Its URLs are of one kind.
func (s *Server) makeRemoteBroker() error {
	b := &s.config.Broker
	urls, scheme, err := b.resolve()
	if err != nil {
		return err
	}
	switch scheme {
	case "redis", "rediss":
		return s.makeRedisBroker(urls)
	case "nats", "tls":
		return s.makeNATSBroker(urls)
	}
	return &SettingError{Key: "broker.url", Text: errNoBroker.Error()}
}

// resolve looks the URLs up, and says of which kind they are.
func (b *Broker) resolve() (urls []string, scheme string, err error) {
	for i, secret := range b.URL {
		key := fmt.Sprintf("broker.url[%d]", i)
		text, err := secret.Resolve()
		if err != nil {
			return nil, "", &SettingError{Key: key, Text: err.Error()}
		}
		// A reference may be to several.
		for one := range strings.SplitSeq(string(text), ",") {
			one = strings.TrimSpace(one)
			if wrong := checkBrokerURL(one); wrong != "" {
				return nil, "", &SettingError{Key: key, Text: wrong}
			}
			kind, _, _ := strings.Cut(one, "://")
			if urls = append(urls, one); len(urls) == 1 {
				scheme = kind
			} else if brokerKind(kind) != brokerKind(scheme) {
				return nil, "", &SettingError{Key: key, Text: "it is of another kind of broker than the first; all are servers of one"}
			}
		}
	}
	return urls, scheme, nil
}

// brokerKind is the kind of broker that a scheme is for.
func brokerKind(scheme string) string {
	switch scheme {
	case "nats", "tls":
		return "nats"
	}
	return "redis"
}

// password is broker.password, if there is one.
func (b *Broker) password() (string, error) {
	if b.Password.IsZero() {
		return "", nil
	}
	password, err := b.Password.Resolve()
	if err != nil {
		return "", &SettingError{Key: "broker.password", Text: err.Error()}
	}
	return string(password), nil
}

func (s *Server) makeNATSBroker(urls []string) error {
	c := &s.config
	b := &c.Broker
	password, err := b.password()
	if err != nil {
		return err
	}
	broker, err := natsbroker.New(&natsbroker.Options{
		URLs: urls, User: b.User, Password: password,
		Credentials: b.NATS.Credentials, CA: b.TLS.CA, Cert: b.TLS.Cert, Key: b.TLS.Key,
		Prefix: b.NATS.Prefix, Replicas: b.NATS.Replicas, Storage: b.NATS.Storage,
		HistoryBytesMax: int64(c.Limits.HistoryBytes),
		AwayMax:         b.Away,
		Logger:          s.log,
	})
	var wrong *hub.OptionError
	if errors.As(err, &wrong) {
		if key := natsSettings[wrong.Option]; key != "" {
			return &SettingError{Key: key, Text: wrong.Reason}
		}
	}
	if err == nil {
		s.broker = broker
	}
	return err
}

// natsSettings are the settings that options of the broker come from, where what is wrong is
// known only when it is made.
var natsSettings = map[string]string{
	"Credentials": "broker.nats.credentials",
	"CA":          "broker.tls.ca",
	"Cert":        "broker.tls.cert",
}

var errNoBroker = errors.New("this program has no such broker")

// brokerStats are the numbers of a broker in this process.
func (s *Server) brokerStats() membroker.Stats {
	if s.local == nil {
		return membroker.Stats{}
	}
	return s.local.Stats()
}
