package sockjs

import (
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// NewProtocol returns what serves the raw WebSockets of SockJS, at /websocket below a base
// URL: they are WebSockets of the channel. It is for transport.Options.Protocols. o is that
// of New.
func NewProtocol(o *Options) (transport.Protocol, error) {
	options, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &protocol{options}, nil
}

type protocol struct{ o Options }

// Serves implements transport.Protocol.
func (p *protocol) Serves(path string) bool { return p.o.isRaw(path) }

// Open implements transport.Protocol.
func (p *protocol) Open(r *transport.Request) (dialect.OverSocket, *transport.Refusal) {
	name, _, _, _ := p.o.split(r.Path())
	socket, refusal := transport.ChannelSocket(name, r.Query())
	if refusal != nil {
		return nil, refusal
	}
	return socket, nil
}

// framed is the dialect of a channel's WebSocket in a session of SockJS.
type framed struct {
	*dialect.Socket
	name string
}

// Transport implements dialect.Dialect.
func (f *framed) Transport() string { return f.name }

// TransportName is the name of a transport of SockJS in presence, statistics and metrics:
// sockjs-xhr-streaming for example. The raw WebSocket is that of a channel.
func TransportName(t sockjs.Transport) string {
	if t == sockjs.RawWebSocket {
		return transport.WebSocket
	}
	return transportNames[t]
}

// TransportNames are those of all sessions of SockJS, for metrics. The caller owns the slice.
func TransportNames() (names []string) {
	for _, t := range sockjs.AllTransports() {
		if t != sockjs.RawWebSocket {
			names = append(names, TransportName(t))
		}
	}
	return names
}

// transportNames are made once, as each session has one of them.
var transportNames = func() map[sockjs.Transport]string {
	names := make(map[sockjs.Transport]string)
	for _, t := range sockjs.AllTransports() {
		names[t] = "sockjs-" + t.String()
	}
	return names
}()
