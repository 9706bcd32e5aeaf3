package protocol

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

func TestTraits(t *testing.T) {
	for name, want := range map[string]Traits{
		"": 0, "news": 0, "private": 0, "x-private-y": 0, "privat-e": 0, "cache-x": Cached, "private-x": Private, "private-cache-x": Private | Cached,
		"private-encrypted-x": Private | Encrypted, "private-encrypted-cache-x": Private | Encrypted | Cached,
		"presence-x": Private | Presence, "presence-cache-x": Private | Presence | Cached, "#server-to-user-1": OfUser, "cache-private-x": Cached,
	} {
		if got := TraitsOf(name); got != want {
			t.Errorf("%q has the traits %b, want %b", name, got, want)
		}
	}
}

func space(t testing.TB, prefix string) Space {
	s, err := NewSpace(prefix)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever needs a signature is closed on every edge.
func TestPrivateChannelsAreClosed(t *testing.T) {
	for _, prefix := range []string{"", "shop/", "a/b/"} {
		s := space(t, prefix)
		for _, p := range prefixes {
			channel, problem := s.Channel(p.text + "x")
			if problem != "" {
				t.Fatal(problem)
			}
			if p.traits.Has(Private) != access.IsClosed(channel) {
				t.Errorf("%s is closed: %v", channel, access.IsClosed(channel))
			}
		}
	}
}

func TestSpacesThatCannotBe(t *testing.T) {
	for _, prefix := range []string{"shop", "/", "a//", "*/", "**/", "a/../", "@x/", "{user}/", "\x00/", strings.Repeat("x", 300) + "/"} {
		if _, err := NewSpace(prefix); err == nil {
			t.Errorf("%q is a prefix", prefix)
		}
	}
}

// A name goes to a channel and comes back, and no two names share one.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"news", "private-x", "#server-to-user-a/b", "#server-to-user-%2F", "@ann", "a/b", "..", "x;y,z.@=-_", "*"} {
		f.Add(name, "shop/")
		f.Add(name, "")
	}
	f.Fuzz(func(t *testing.T, name, prefix string) {
		s, err := NewSpace(prefix)
		if err != nil || len(prefix) > 55 || strings.HasPrefix(prefix, "@") || hub.CheckChannel(prefix+"x") != nil {
			return
		}
		if back, ok := s.Name(name); ok { // of any channel at all
			if channel, problem := s.Channel(back); problem == "" && channel != name && hub.CheckChannel(name) == nil && !strings.HasPrefix(name, "@") {
				t.Errorf("the channel %q is called %q, which is %q", name, back, channel)
			}
		}
		channel, problem := s.Channel(name)
		if problem != "" {
			return
		}
		if TraitsOf(name).Has(OfUser) && !isText(name) {
			return // no hub takes it; an ID is checked before
		}
		if err := hub.CheckChannel(channel); err != nil {
			t.Errorf("%q is %q, which is no channel: %v", name, channel, err)
		}
		if back, ok := s.Name(channel); !ok || back != name {
			t.Errorf("%q is the channel %q, which is called %q", name, channel, back)
		}
	})
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }

// A name that the hub has for itself is an event like any other to clients.
func TestEventsOfTheHub(t *testing.T) {
	for _, event := range append(hub.ReservedEvents(), "x", "event:x", "client-error") {
		there := EventOfHub(event)
		if back := eventOfClient(there); back != event {
			t.Errorf("%q becomes %q and comes back as %q", event, there, back)
		}
		for _, reserved := range hub.ReservedEvents() {
			if there == reserved {
				t.Errorf("%q becomes %q, which the hub refuses", event, there)
			}
		}
	}
	if got := EventOfHub(EventUnnamed); got != "" {
		t.Errorf("the event that stands for none is %q", got)
	}
}
