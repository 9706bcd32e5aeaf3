package transport

import (
	"errors"
	"strings"
	"testing"
)

// A session is had by its secret, with whatever node behind it, and the node is told when
// the session is not here.
func TestSessionNode(t *testing.T) {
	for _, name := range []string{"a-b", "a.b", strings.Repeat("a", 33)} {
		if _, err := New(newHub(t, newBroker(), nil), &Options{Node: name}); err == nil {
			t.Errorf("a node may be called %q", name)
		} else if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != "Node" {
			t.Error(err)
		}
	}
	on := newTransport(newHub(t, newBroker(), nil), &Options{Node: "ABC234"})
	k, lines := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`)
	defer k.c.close()
	s := seatOf(t, on, replyTo(t, lines, 1))
	id, own := s.session.ID(), string(s.secret[:])
	if !strings.Contains(replyTo(t, lines, 1), own+`-ABC234"`) {
		t.Errorf("the client is told %s", replyTo(t, lines, 1))
	}
	for secret, want := range map[string]bool{
		own: true, own + "-ABC234": true, own + "-OTHER": true, own + "-": true, own + "x": false, own[1:]: false, "": false, "x" + own[1:]: false, own + "-ABC234-": true,
	} {
		if (on.findSeat(id, secret) == s) != want {
			t.Errorf("with %q it is found: %t", secret, !want)
		}
	}
	x := strings.Repeat("x", 26)
	for _, c := range []struct{ query, field, want string }{
		{"session=" + id + "." + own + "-OTHER", "", ""}, // it is here all the same
		{"session=abc." + x + "-OTHER", "", "OTHER"},
		{"a=b&session=abc%2E" + x + "%2DOTHER", "", "OTHER"},
		{"", "abc." + x + "-OTHER", "OTHER"},
		{"session=abc." + x + "-ONE", "abc." + x + "-OTHER", "ONE"},
		{"session=", "abc." + x + "-OTHER", "OTHER"},
		{"session=abc." + x + "-ABC234", "", ""},
		{"session=abc." + x, "", ""},
		{"session=abc." + x + "-", "", ""},
		{"session=abc." + x + "-" + strings.Repeat("O", 33), "", ""},
		{"session=abc." + x[1:] + "-OTHER", "", ""},
		{"session=%zz", "abc." + x + "-OTHER", ""},
		{"session=abc." + x + "-ONE&session=abc." + x + "-OTHER", "", ""},
		{"", "", ""},
	} {
		if got := on.SessionNode(c.query, c.field); got != c.want {
			t.Errorf("%q, %q: node %q, want %q", c.query, c.field, got, c.want)
		}
	}
}
