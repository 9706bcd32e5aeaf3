package server

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
)

// askCall has a call answered by what answers it on another node.
const askCall = "call"

// methodsElsewhere has calls answered by sessions on other nodes. Each node tells the others for which
// patterns sessions have registered.
type methodsElsewhere struct {
	server *Server
	counts *tally // registrations, by pattern

	mu       sync.Mutex // guards isClosed against calls
	isClosed bool
	calls    sync.WaitGroup // that are asked of other nodes
}

// callElsewhere lets methods be answered on other nodes. It is called before the hub has sessions.
func (s *Server) callElsewhere() {
	m := &methodsElsewhere{server: s, counts: s.newTally("methods", func(int) int { return 1 }, nil)}
	s.hub.SetElsewhere(m)
	s.calling = m
	s.node.Handle(askCall, m.answer)
}

// Registered implements hub.Elsewhere.
func (m *methodsElsewhere) Registered(pattern string, n int) { m.counts.add(pattern, n) }

// nodeCall is a call on its way to another node.
type nodeCall struct {
	Method  string          `json:"method"`
	Kind    hub.Kind        `json:"kind"`
	Data    []byte          `json:"data,omitempty"`
	User    string          `json:"user,omitempty"`
	Info    json.RawMessage `json:"info,omitempty"`
	Session string          `json:"session,omitempty"`
	Trace   string          `json:"trace,omitempty"`
	Timeout time.Duration   `json:"timeout"`
}

// nodeAnswered is how it was answered there.
type nodeAnswered struct {
	Kind    hub.Kind        `json:"kind,omitempty"`
	Data    []byte          `json:"data,omitempty"`
	Error   string          `json:"error,omitempty"`   // one of callErrors
	Call    *hub.CallError  `json:"call,omitempty"`    // of the answering side
	Refusal *access.Refusal `json:"refusal,omitempty"` // likewise
}

// callErrors are how errors of calls travel. The names are never used for others.
var callErrors = map[string]error{
	"no-method": hub.ErrNoMethod, "busy": hub.ErrTooManyCalls, "timeout": hub.ErrCallTimeout,
	"gone": hub.ErrAnswererGone, "failed": hub.ErrAnswererFailed,
}

// Call implements hub.Elsewhere.
func (m *methodsElsewhere) Call(c *hub.IncomingCall, done func(hub.Answer, error)) (cancel func()) {
	nodes := m.nodesFor(c.Method)
	if len(nodes) == 0 {
		done(hub.Answer{}, hub.ErrNoMethod)
		return nil
	}
	m.mu.Lock()
	if m.isClosed {
		m.mu.Unlock()
		done(hub.Answer{}, hub.ErrNoMethod)
		return nil
	}
	defer m.mu.Unlock()
	rand.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	ctx, cancel := context.WithDeadline(context.Background(), c.Deadline)
	m.calls.Go(func() { // it ends with the call, and that with the node
		defer cancel()
		done(m.ask(ctx, nodes, c))
	})
	return cancel
}

// close waits for calls that other nodes were asked. This node has left, so they have ended.
func (m *methodsElsewhere) close() {
	m.mu.Lock()
	m.isClosed = true
	m.mu.Unlock()
	m.calls.Wait()
}

// ask asks one node after another, until one has somebody to answer.
func (m *methodsElsewhere) ask(ctx context.Context, nodes []string, c *hub.IncomingCall) (a hub.Answer, err error) {
	err = hub.ErrNoMethod
	for _, node := range nodes {
		var request []byte
		request, err = json.Marshal(&nodeCall{
			Method: c.Method, Kind: c.Kind, Data: c.Data, User: c.User, Info: json.RawMessage(c.Info), Session: c.Session, Trace: c.Trace,
			Timeout: time.Until(c.Deadline),
		})
		if err != nil {
			return a, err
		}
		if a, err = m.askOne(ctx, node, request); !errors.Is(err, hub.ErrNoMethod) && !errors.Is(err, hub.ErrTooManyCalls) {
			return a, err
		}
	}
	return a, err
}

func (m *methodsElsewhere) askOne(ctx context.Context, node string, request []byte) (hub.Answer, error) {
	b, err := m.server.node.Ask(ctx, node, askCall, request)
	switch {
	case errors.Is(err, cluster.ErrUnanswered):
		return hub.Answer{}, hub.ErrCallTimeout
	case errors.Is(err, cluster.ErrUnknownNode), errors.Is(err, cluster.ErrLost):
		return hub.Answer{}, hub.ErrAnswererGone
	case errors.Is(err, cluster.ErrUnknownKind), errors.Is(err, cluster.ErrProtocol):
		return hub.Answer{}, hub.ErrNoMethod
	case errors.Is(err, cluster.ErrBusy):
		return hub.Answer{}, hub.ErrTooManyCalls
	case err != nil:
		return hub.Answer{}, err
	}
	var answered nodeAnswered
	if err := json.Unmarshal(b, &answered); err != nil {
		return hub.Answer{}, err
	}
	switch {
	case answered.Call != nil:
		return hub.Answer{}, answered.Call
	case answered.Refusal != nil:
		return hub.Answer{}, answered.Refusal
	case answered.Error != "":
		if err, ok := callErrors[answered.Error]; ok {
			return hub.Answer{}, err
		}
		return hub.Answer{}, hub.ErrAnswererFailed
	}
	return hub.Answer{Kind: answered.Kind, Data: answered.Data}, nil
}

// answer answers a call of another node by what answers it here.
func (m *methodsElsewhere) answer(ctx context.Context, _ string, request []byte) ([]byte, error) {
	var c nodeCall
	if err := json.Unmarshal(request, &c); err != nil {
		return nil, err
	}
	as := &access.Identity{Kind: access.Token, User: c.User, Info: c.Info}
	a, err := m.server.hub.Call(ctx, as, hub.Call{
		Method: c.Method, Kind: c.Kind, Data: c.Data, Timeout: max(c.Timeout, time.Millisecond), Trace: c.Trace, Session: c.Session, OnlyHere: true,
	})
	answered := nodeAnswered{Kind: a.Kind, Data: a.Data}
	if err != nil {
		answered = nodeAnswered{Error: "failed"}
		errors.As(err, &answered.Call)
		errors.As(err, &answered.Refusal)
		for name, known := range callErrors {
			if errors.Is(err, known) {
				answered.Error = name
			}
		}
		if errors.Is(err, context.DeadlineExceeded) {
			answered.Error = "timeout"
		}
		if errors.Is(err, hub.ErrShutdown) || errors.Is(err, hub.ErrClosed) {
			answered.Error = "no-method" // another node may answer
		}
	}
	return json.Marshal(&answered)
}

// patternsMax bounds how many patterns of a method are looked for.
const patternsMax = 256

// nodesFor are the nodes that have registrations for the most specific pattern that matches a method.
func (m *methodsElsewhere) nodesFor(method string) []string {
	left := patternsMax
	return m.find("", method, &left, func(pattern string) []string {
		p, err := access.ParsePattern(pattern)
		if err != nil || m.counts.ofOthers(pattern) == 0 || !p.Matches(method, "") {
			return nil
		}
		return m.counts.nodesWith(pattern)
	})
}

// find tries the patterns of a method, the most specific first, as hub.Hub does: before is what the first
// segments are already.
func (m *methodsElsewhere) find(before, rest string, left *int, try func(pattern string) []string) []string {
	if *left--; *left < 0 {
		return nil
	}
	segment, after, more := strings.Cut(rest, "/")
	for _, first := range []string{segment, "*"} {
		var nodes []string
		if more {
			nodes = m.find(before+first+"/", after, left, try)
		} else {
			nodes = try(before + first)
		}
		if nodes != nil {
			return nodes
		}
	}
	return try(before + "**")
}
