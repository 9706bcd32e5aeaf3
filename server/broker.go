package server

import (
	"errors"

	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/hub/relay"
)

// makeBroker makes what keeps the histories. It connects to nothing yet.
func (s *Server) makeBroker() error {
	c := &s.config
	switch {
	case s.broker != nil: // of a test
		return nil
	case c.Data != "":
		return &SettingError{Key: "data", Text: errNoBroker.Error()}
	case c.Broker.IsOn():
		return &SettingError{Key: "broker.url", Text: errNoBroker.Error()}
	}
	local, err := membroker.New(&membroker.Options{
		HistoryBytesMax: int64(c.Limits.HistoryBytes),
		ChannelsMax:     c.Limits.Channels,
	})
	if err != nil {
		return err
	}
	s.local = relay.New(local)
	s.broker = s.local
	return nil
}

var errNoBroker = errors.New("this program has no such broker")

// brokerStats are the numbers of a broker in this process.
func (s *Server) brokerStats() membroker.Stats {
	if s.local == nil {
		return membroker.Stats{}
	}
	return s.local.Stats()
}
