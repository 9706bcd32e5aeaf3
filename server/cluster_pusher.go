package server

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/godwit-io/godwit/compat/pusher"
)

// What nodes ask and tell each other for the HTTP API of Pusher.
const (
	askChannels    = "channels"          // those with subscribers whose names begin with what is asked
	tellTerminated = "pusher/terminated" // the connections of a user end
)

// terminatedUser is whose connections end.
type terminatedUser struct {
	Key  string `json:"key"` // of the app
	User string `json:"user"`
}

// acrossPusher has the HTTP API of Pusher know the clients of all nodes.
func (s *Server) acrossPusher(o *pusher.Options) {
	if s.node == nil {
		return
	}
	s.node.Handle(askChannels, func(_ context.Context, _ string, prefix []byte) ([]byte, error) {
		names := []string{}
		for _, ch := range s.hub.Channels() {
			if strings.HasPrefix(ch.Name, string(prefix)) {
				names = append(names, ch.Name)
			}
		}
		return json.Marshal(names)
	})
	o.ChannelsElsewhere = func(ctx context.Context, prefix string) (all []string) {
		answers, err := s.node.AskAll(ctx, askChannels, []byte(prefix))
		if err != nil {
			s.log.Warn("other nodes could not be asked for their channels", "error", err)
		}
		for _, a := range answers {
			var names []string
			if a.Err == nil {
				a.Err = json.Unmarshal(a.Data, &names)
			}
			if a.Err != nil {
				s.log.Warn("a node did not say which channels it has", "node", nameOf(&a.Peer), "error", a.Err)
			}
			all = append(all, names...)
		}
		return all
	}
	o.Terminated = func(key, user string) {
		b, err := json.Marshal(&terminatedUser{key, user})
		if err == nil {
			err = s.node.Tell(tellTerminated, b)
		}
		if err != nil {
			s.log.Error("other nodes could not be told to end the connections of a user", "error", err)
		}
	}
	s.node.HandleTold(tellTerminated, func(from string, data []byte) {
		var t terminatedUser
		if err := json.Unmarshal(data, &t); err != nil {
			s.log.Error("another node has told something that cannot be read", "what", tellTerminated, "node", from)
			return
		}
		s.pusher.Terminate(t.Key, t.User)
	})
}
