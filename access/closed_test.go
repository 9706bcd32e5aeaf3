package access_test

import (
	"testing"

	"github.com/godwit-io/godwit/access"
)

func TestIsClosed(t *testing.T) {
	for channel, want := range map[string]bool{
		"private-a": true, "presence-a": true, "private-": true, "private-encrypted-a": true, "a/private-b": true, "a/b/presence-c/d": true, "private-a/*": true,
		"": false, "private": false, "presence": false, "privat-e-a": false, "xprivate-a": false, "a-private-b": false, "Private-a": false, "@private-a": false, "**": false, "a//b": false,
	} {
		if got := access.IsClosed(channel); got != want {
			t.Errorf("IsClosed(%q) = %v", channel, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { access.IsClosed("a/b/c/private-d") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Nobody but a back end reaches a closed channel with a wildcard, whatever the action
// and wherever the segment is.
func TestNoWildcardReachesAClosedChannel(t *testing.T) {
	wide := grants(t, `{"subscribe":["**","*","*/*","a/**","{user}"],"publish":["**"],"presence":["**"],"history":["**"],"manage":["**","*/*"]}`)
	rows := []struct {
		id      *access.Identity
		reaches bool
	}{
		{nil, false},
		{access.Everybody, false},
		{&access.Identity{Kind: access.Anonymous, Grants: wide}, false},
		{&access.Identity{Kind: access.Token, User: "private-a", Grants: wide}, false},
		{&access.Identity{Kind: access.Application, User: "private-a", Grants: wide}, false},
		{&access.Identity{Kind: access.Key, Grants: wide}, true},
	}
	for _, row := range rows {
		for _, a := range access.Actions() {
			if a.IsOfMethods() {
				continue
			}
			for _, channel := range []string{"private-a", "presence-a", "a/private-b", "private-a/b", "a/b/presence-c", "private-a/*", "a/private-b/**"} {
				if got := access.May(row.id, nil, a, channel); got != row.reaches {
					t.Errorf("%v may %v %s: %v", row.id, a, channel, got)
				}
				if d := access.Decide(row.id, nil, a, channel); d.Allowed != row.reaches {
					t.Errorf("%v %v %s: %v", row.id, a, channel, d)
				}
			}
		}
	}
	named := &access.Identity{Kind: access.Token, User: "ann", Grants: grants(t, `{"subscribe":["private-{user}","presence-room/*"]}`)}
	for channel, want := range map[string]bool{"private-ann": true, "private-bob": false, "presence-room/1": true, "presence-room/*": true, "presence-room/private-x": false} {
		if got := access.May(named, nil, access.Subscribe, channel); got != want {
			t.Errorf("%s: %v", channel, got)
		}
	}
}
