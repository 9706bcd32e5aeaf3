package dialect

import (
	"testing"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// The hub does not know the protocol, and both have the same words.
func TestGapReasonsAreTheHubs(t *testing.T) {
	last := hub.GapRate
	if n := len(clientproto.GapReasons()); n != int(last)+1 {
		t.Fatalf("%d reasons, and the hub has %d", n, last+1)
	}
	for i, r := range clientproto.GapReasons() {
		if got := hub.GapReason(i).String(); got != r.Name {
			t.Errorf("reason %d is %q to the hub and %q to clients", i, got, r.Name)
		}
	}
	if got := word(last + 1); got != "" {
		t.Errorf("the hub has a reason behind %v: %s", last, got)
	}
}

// word is "" if there is no reason.
func word(r hub.GapReason) (s string) {
	defer func() { _ = recover() }()
	return r.String()
}
