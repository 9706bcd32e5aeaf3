package socketio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// What comes in one POST is published in order, also when its client leaves with it.
func TestABurstIsPublishedInOrder(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		s.hub.SetPolicies(func(string) *hub.Policy {
			return &hub.Policy{Retention: hub.Retention{Count: 100_000, Age: hub.DefaultRetentionAge}}
		})
		const path = "/socket.io/?EIO=4&transport=polling"
		_, body := s.get(path)
		var open struct{ SID string }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &open); err != nil {
			t.Fatal(err)
		}
		at := path + "&sid=" + open.SID
		s.post(at, "40/chat,")
		s.get(at)
		const n = 5000
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "42/chat,[\"n\",%d]\x1e", i)
		}
		b.WriteString("1") // the client leaves
		if status, body := s.post(at, b.String()); status != http.StatusOK {
			t.Fatal(status, body)
		}
		deadline(t, func() bool { return s.server.Len() == 0 })
		page, err := s.hub.History(t.Context(), "chat", hub.Query{Last: n, Limit: n})
		if err != nil || len(page.Publications) != n {
			t.Fatalf("%d publications, want %d: %v", len(page.Publications), n, err)
		}
		for i, p := range page.Publications {
			if string(p.Data) != fmt.Sprint(i) {
				t.Fatalf("publication %d is %s", i, p.Data)
			}
		}
	})
}

// slowly is a Guard that decides about publications when it is told to.
type slowly struct {
	transport.Guard

	mu      sync.Mutex // guards what follows
	waiting []func(error)
	most    int
	isOpen  bool
}

func (g *slowly) Authorize(c *transport.Client, act *transport.Act, later func(error)) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if act.Action != access.Publish || g.isOpen {
		return true, nil
	}
	g.waiting = append(g.waiting, later)
	g.most = max(g.most, len(g.waiting))
	return false, nil
}

func (g *slowly) decide() {
	g.mu.Lock()
	waiting := g.waiting
	g.waiting, g.isOpen = nil, true
	g.mu.Unlock()
	for _, later := range waiting {
		later(nil)
	}
}

// A client whose publications wait for a decision is read no more, and goes on after it.
func TestAClientThatIsBusyIsReadNoMore(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		g := &slowly{Guard: transport.Identify(func(*transport.Request) (*access.Identity, error) { return access.Everybody, nil })}
		s := start(Options{}, transport.Options{Guard: g})
		s.hub.SetPolicies(func(string) *hub.Policy {
			return &hub.Policy{Retention: hub.Retention{Count: 100_000, Age: hub.DefaultRetentionAge}}
		})
		p := s.join("/chat", "&self=0")
		const n = 1000
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := range n {
				p.send(fmt.Sprintf(`42/chat,["n",%d]`, i))
			}
			p.send(`42/chat,1["last"]`)
		}()
		deadline(t, func() bool {
			g.mu.Lock()
			defer g.mu.Unlock()
			return g.most > 0
		})
		g.decide()
		<-sent
		if got := p.read(); !strings.HasPrefix(got, `43/chat,1[{"position"`) {
			t.Error(got)
		}
		page, err := s.hub.History(t.Context(), "chat", hub.Query{Last: 2 * n, Limit: 2 * n})
		if err != nil || len(page.Publications) != n+1 {
			t.Fatalf("%d publications, want %d: %v", len(page.Publications), n+1, err)
		}
		for i, p := range page.Publications[:n] {
			if string(p.Data) != fmt.Sprint(i) {
				t.Fatalf("publication %d is %s", i, p.Data)
			}
		}
	})
}

// What breaks the protocol ends the connection, and nothing of it stays.
func TestHostileClients(t *testing.T) {
	onBothDrivers(t, func(t *testing.T, start func(Options, transport.Options) *site) {
		s := start(Options{}, transport.Options{})
		for name, messages := range map[string][]string{
			"an event before a namespace":             {`42/chat,["x"]`},
			"a reserved event":                        {"40/chat,", `42/chat,["connect"]`},
			"an attachment that is none":              {"40/chat,", `451-/chat,["x",{"_placeholder":true,"num":0}]`, `42/chat,["y"]`},
			"too many attachments":                    {"40/chat,", `4511-/chat,["x"]`},
			"an unknown type":                         {"40/chat,", "49"},
			"no array":                                {"40/chat,", `42/chat,{"x":1}`},
			"joining twice":                           {"40/chat,", "40/chat,"},
			"a refusal from a client":                 {`44/chat,{"message":"no"}`},
			"an acknowledgement that is no number":    {"40/chat,", `4299999999999999999999/chat,["x"]`},
			"a placeholder that stands for no number": {"40/chat,", `451-/chat,["x",{"_placeholder":true,"num":7}]`, "b"},
		} {
			p := s.dial("")
			for _, m := range messages {
				p.send(m)
			}
			p.expectEndAfter()
			deadline(t, func() bool { return s.server.Len() == 0 })
			if n := s.hub.SessionCount(); n != 0 {
				t.Errorf("%s: %d sessions are left", name, n)
			}
		}
		p := s.dial("") // namespaces without end
		for i := range 150 {
			p.send(fmt.Sprintf("40/n%d,", i))
		}
		refused := 0
		for range 150 {
			if got := p.read(); strings.HasPrefix(got, "44") {
				refused++
			}
		}
		if refused != 50 || s.hub.SessionCount() != 100 {
			t.Errorf("%d of 150 namespaces are refused, and there are %d sessions", refused, s.hub.SessionCount())
		}
	})
}
