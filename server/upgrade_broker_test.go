//go:build linux

package server

import (
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// A server whose histories are in a broker is replaced by one that uses the same broker: what
// is published through either reaches the clients of both, and nothing is copied.
func TestHandOverBroker(t *testing.T) {
	c := Config{DrainTimeout: 3 * time.Second}
	all := startSeveral(t, 2, func(_ int, one *Config) { one.DrainTimeout = c.DrainTimeout })
	old, other := all.all[0], all.all[1]
	c.Listen = old.Config().Listen
	conn, _, err := ws.Dial(t.Context(), old.url+"/channels/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	other.do(t, "POST", "/channels/chat", "before", "Content-Type", "text/plain")
	next, err := old.succeedPrepared(t, c, func(s *Server) { s.broker = all.shared.NewBroker() })
	if err != nil {
		t.Fatal(err)
	}
	if next.url != old.url {
		t.Errorf("it serves at %s, and was at %s", next.url, old.url)
	}
	other.do(t, "POST", "/channels/chat", "after", "Content-Type", "text/plain")
	var heard []string
	for err == nil {
		var message []byte
		if _, message, err = conn.Read(t.Context()); err == nil {
			heard = append(heard, string(message))
		}
	}
	if got := strings.Join(heard, " "); !strings.HasPrefix("before after", got) || !strings.HasPrefix(got, "before") || ws.CloseStatus(err) != ws.StatusGoingAway {
		t.Errorf("a client of the one that was replaced heard %q, and then %v", got, err)
	}
	if err := old.stop(); err != nil {
		t.Error(err)
	}
	if got := next.do(t, "GET", "/channels/chat?last=10", "").body; !strings.Contains(got, "before") || !strings.Contains(got, "after") {
		t.Errorf("the history is %s", got)
	}

	// And once more, from the one that took over.
	third, err := next.succeedPrepared(t, c, func(s *Server) { s.broker = all.shared.NewBroker() })
	if err != nil {
		t.Fatal(err)
	}
	if err := next.stop(); err != nil {
		t.Error(err)
	}
	if got := third.do(t, "GET", "/channels/chat?last=10", "").body; !strings.Contains(got, "before") {
		t.Errorf("the history is %s", got)
	}
}

// Histories do not move from the process to a broker, or back, without a new start.
func TestHandOverOtherBroker(t *testing.T) {
	inProcess, several := start(t, Config{}), startSeveral(t, 1, nil)
	inBroker := several.all[0]
	inProcess.await(t, inProcess.isServing)
	if err := inProcess.keepsAs(inBroker.versions()); err == nil || !strings.Contains(err.Error(), "this one itself") {
		t.Error(err)
	}
	if err := inBroker.keepsAs(inProcess.versions()); err == nil || !strings.Contains(err.Error(), "this one in a broker") {
		t.Error(err)
	}
	if err := inBroker.keepsAs(inBroker.versions()); err != nil {
		t.Error(err)
	}
	if err := inProcess.keepsAs(inProcess.versions()); err != nil {
		t.Error(err)
	}
}
