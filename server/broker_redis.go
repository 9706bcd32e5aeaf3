package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	"github.com/godwit-io/godwit/server/redisbroker"
)

// makeRedisBroker makes the broker at these URLs, redis:// or rediss://.
func (s *Server) makeRedisBroker(urls []string) error {
	b := &s.config.Broker
	password, err := b.password()
	if err != nil {
		return err
	}
	trust, err := b.TLS.load()
	if err != nil {
		return err
	}
	broker, err := redisbroker.New(&redisbroker.Options{URL: urls, User: b.User, Password: password, TLS: trust, Log: s.log})
	if wrong, ok := errors.AsType[*redisbroker.URLError](err); ok {
		return &SettingError{Key: "broker.url", Text: wrong.Problem}
	}
	if err == nil {
		s.broker = broker
	}
	return err
}

// load reads the files.
func (t *BrokerTLS) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, &SettingError{Key: "broker.tls.ca", Text: err.Error()}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &SettingError{Key: "broker.tls.ca", Text: "there is no certificate in it; it has to be a PEM file"}
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, &SettingError{Key: "broker.tls.cert", Text: err.Error()}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
