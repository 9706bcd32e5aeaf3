package server

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/server/forward"
	"github.com/godwit-io/godwit/transport"
)

// nodes is what this node needs to serve clients whose sessions are on another one: a
// balancer in front need not send a client to the same node twice.
type nodes struct {
	id      string // of this one
	others  neighbours
	kept    forward.Places               // where sessions are whose names are chosen by clients
	lookups *ratelimit.Table[netip.Addr] // of those that are not there, by client
	out     *forward.Forwarder
	in      *forward.Gate

	token    string // that the others show
	listener net.Listener
	ending   atomic.Int64
	unwatch  context.CancelFunc // ends watching; nil without TLS
	watching sync.WaitGroup     // the files of TLS
	host     string             // where others most likely reach this machine
}

// neighbours are the other nodes that are alive.
type neighbours interface {
	// Node returns one of them. It is asked on event loops.
	Node(id string) (forward.Node, bool)

	// IDs are those of all of them.
	IDs() []string

	// Ask asks one of them, which answers as what Handle has set there.
	Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error)
	Handle(kind string, f func(ctx context.Context, from string, data []byte) ([]byte, error))

	// SetAddress tells them where this one has requests handed on, and with what token.
	SetAddress(address, token string)

	// WatchGone has f called with each node that is gone.
	WatchGone(f func(id string))
}

// nodeSeparator stands between the ID of a node and what is random in a SID.
const nodeSeparator = "."

// sidPrefix begins the SIDs of Engine.IO: it names this node, if there are others.
func (s *Server) sidPrefix() string {
	if s.nodes == nil {
		return ""
	}
	return s.nodes.id + nodeSeparator
}

// nodeID is how clients of /connect give this node back, "" if there are no others.
func (s *Server) nodeID() string {
	if s.nodes == nil {
		return ""
	}
	return s.nodes.id
}

// whereabouts are where the session of a request may be that is not here.
type whereabouts struct {
	node  string // that has it, if it is known
	name  string // of one that has to be looked for
	kind  string // of its protocol
	lasts bool   // the request is a stream or a WebSocket
}

// elsewhere returns where the session of a request may be. ok is false if it is here, or
// nowhere, or the request is for none. It is asked on event loops.
func (s *Server) elsewhere(r *httpcarrier.Request) (p whereabouts, ok bool) {
	if s.nodes == nil || r.Method() == http.MethodOptions {
		return whereabouts{}, false
	}
	if r.Path() == transport.ConnectPath {
		if r.IsUpgrade() {
			return whereabouts{}, false // it resumes by what its client says
		}
		p.node = s.channels.SessionNode(r.Query(), r.Get("Godwit-Session"))
		p.lasts = isStreamWanted(r)
	} else if f := s.foreignAt(r.Path()); f != nil && f.session != nil {
		p = f.session(r)
	}
	switch {
	case p.node != "":
		_, ok = s.nodes.others.Node(p.node)
	case p.name != "":
		ok = len(s.nodes.others.IDs()) > 0
	}
	return p, ok
}

// knowsOthers reports whether this node can know all others, so that requests for their
// sessions find them.
func (s *Server) knowsOthers() bool {
	if s.node == nil {
		return true
	}
	select {
	case <-s.node.Joined():
		return true
	default:
		return false
	}
}

// isStreamWanted reports whether the answer to r would be an event stream or lines.
func isStreamWanted(r *httpcarrier.Request) bool {
	accept := r.Get("Accept")
	return r.Method() == http.MethodGet && (strings.Contains(accept, "event-stream") || strings.Contains(accept, "ndjson"))
}

// isElsewhereOnLoop has net/http serve what is handed on.
func (s *Server) isElsewhereOnLoop(r *engine.Request) bool {
	if s.nodes == nil {
		return false
	}
	_, is := s.elsewhere(httpcarrier.OfLoop(r))
	return is
}

// serveElsewhere hands a request on to the node that has its session. It returns false if
// the request is to be served here: also if that node cannot be reached, so that the
// answer is what the protocol has for a session that is not known.
func (s *Server) serveElsewhere(w http.ResponseWriter, r *http.Request) bool {
	if s.nodes == nil || r.Method == http.MethodConnect {
		return false
	}
	if _, isHandedOn := forward.OriginOf(r); isHandedOn {
		return false
	}
	p, ok := s.elsewhere(httpcarrier.OfHTTP(r))
	if !ok {
		return false
	}
	client := s.edge.clientOfHTTP(r)
	if p.node == "" {
		var wait time.Duration
		if p.node, wait = s.find(r.Context(), &p, client); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			transport.ProblemTooManyRequests.Write(w, "too many names of sessions that are not known here are asked for from one address; try again later")
			return true
		}
	}
	to, ok := s.nodes.others.Node(p.node)
	if !ok || to.Address == "" {
		return false
	}
	origin := forward.Origin{Client: client, Peer: r.RemoteAddr, IsSecure: r.TLS != nil}
	switch s.nodes.out.Forward(w, r, to, origin, p.lasts) {
	case forward.Answered:
	case forward.Unreachable:
		if p.name != "" {
			s.nodes.kept.Forget(p.kind + p.name)
		}
		return false
	case forward.Busy:
		w.Header().Set("Retry-After", "1")
		transport.ProblemOverload.Write(w, "too many requests are handed on to other nodes; try again later")
	case forward.TooLarge:
		w.Header().Set("Connection", "close")
		transport.ProblemTooLarge.Write(w, "the content of this request is longer than any that a session takes")
	case forward.Broken:
		w.Header().Set("Connection", "close")
		transport.ProblemBodyBroken.Write(w, "the content of this request did not arrive")
	}
	return true
}

// findTimeout is how long other nodes are asked whether they have a session. One that
// does not answer is about to be declared dead, and its sessions with it.
const findTimeout = time.Second

// lookupsMax is for how many clients it is remembered how much they have asked for.
const lookupsMax = 100_000

// find returns the node that has a session whose name its client has chosen, "" for none. A
// client that asks for so many names that its requests are too many has to wait: each costs
// every node a question.
func (s *Server) find(ctx context.Context, p *whereabouts, client netip.Addr) (node string, wait time.Duration) {
	key := p.kind + p.name
	if node, ok := s.nodes.kept.Get(key); ok {
		if _, isAlive := s.nodes.others.Node(node); isAlive {
			return node, 0
		}
	}
	if most := s.guard.Settings().Limits.RequestsPerAddress; most > 0 {
		if ok, wait := s.nodes.lookups.Allow(time.Now(), ratelimit.AddressKey(client), ratelimit.PerSecond(float64(most), 2*most)); !ok {
			return "", wait
		}
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	ids := s.nodes.others.IDs()
	found := make(chan string, len(ids))
	for _, id := range ids {
		go func() {
			answer, err := s.nodes.others.Ask(ctx, id, askHas+p.kind, []byte(p.name))
			if err != nil || string(answer) != "1" {
				id = ""
			}
			found <- id
		}()
	}
	for range ids {
		if id := <-found; id != "" {
			s.nodes.kept.Put(key, id)
			return id, 0
		}
	}
	return "", 0
}

// askHas, with the kind of a protocol behind it, asks whether a node has a session.
const askHas = "session/"

// answerHas has other nodes find sessions of a protocol here.
func (s *Server) answerHas(kind string, has func(name string) bool) {
	if s.nodes == nil {
		return
	}
	s.nodes.others.Handle(askHas+kind, func(_ context.Context, _ string, name []byte) ([]byte, error) {
		if has(string(name)) {
			return []byte("1"), nil
		}
		return []byte("0"), nil
	})
}

// askEnd asks a node to end a session whose client has come back on another one.
const askEnd = "session/end"

// endsMax is how many nodes are asked that at a time. A session that is not ended so ends by
// itself, when nobody has come back to it.
const endsMax = 64

// endElsewhere has another node end a session whose client is here now, so that it is
// present once.
func (s *Server) endElsewhere(node, session, secret string) {
	n := s.nodes
	if _, isAlive := n.others.Node(node); !isAlive || n.ending.Add(1) > endsMax {
		if isAlive {
			n.ending.Add(-1)
		}
		return
	}
	go func() {
		defer n.ending.Add(-1)
		ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
		defer cancel()
		_, _ = n.others.Ask(ctx, node, askEnd, []byte(session+"."+secret)) // else it ends by itself
	}()
}

// answerEnd has other nodes end sessions here.
func (s *Server) answerEnd() {
	s.nodes.others.Handle(askEnd, func(_ context.Context, _ string, shown []byte) ([]byte, error) {
		session, secret, _ := strings.Cut(string(shown), ".")
		s.channels.EndSession(session, secret)
		return nil, nil
	})
}

// placeOfSID is where a session of Engine.IO is, if it is not here.
func placeOfSID(sid string, isHere, lasts bool) (p whereabouts) {
	if node, _, ok := strings.Cut(sid, nodeSeparator); ok && !isHere {
		p = whereabouts{node: node, lasts: lasts}
	}
	return p
}

// placeOfName is where a session of SockJS is, if it is not here.
func placeOfName(kind, path, name string, isHere bool) (p whereabouts) {
	if name != "" && !isHere {
		p = whereabouts{kind: kind, name: name, lasts: !strings.HasSuffix(path, "/xhr") && !strings.HasSuffix(path, "_send") && !strings.HasSuffix(path, "/jsonp")}
	}
	return p
}

// serveHandedOn serves a request that another node has handed on, as if its client had
// asked here. The node has looked at its Host, and counted its connection.
func (s *Server) serveHandedOn(w http.ResponseWriter, r *http.Request) {
	if s.channels.Serves(r) {
		s.channels.ServeHTTP(w, r)
		return
	}
	if other := s.foreignAt(r.URL.EscapedPath()); other != nil && other.session != nil {
		other.http.ServeHTTP(w, r)
		return
	}
	transport.ProblemNotFound.Write(w, "requests for "+quote(r.URL.Path)+" are not handed on")
}

// handedOnFrom is the client of a request that another node has handed on.
func handedOnFrom(r *http.Request) (client netip.Addr, ok bool) {
	o, ok := forward.OriginOf(r)
	return o.Client, ok
}
