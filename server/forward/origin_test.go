package forward

import (
	"net/netip"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for _, o := range []Origin{
		{Node: "A"},
		{Node: "ABC234", Client: netip.MustParseAddr("192.0.2.1"), Peer: "10.0.0.1:443", IsSecure: true},
		{Node: "A", Client: netip.MustParseAddr("2001:db8::1"), Peer: "[2001:db8::1]:1"},
		{Node: "A&client=192.0.2.1", Peer: "@"}, // a socket file
	} {
		got, err := ParseOrigin(o.String())
		if err != nil || got != o {
			t.Errorf("%+v: %+v, %v", o, got, err)
		}
	}
	for _, text := range []string{"", "client=192.0.2.1", "node=A&client=x", "node=%zz", "node=" + strings.Repeat("A", originBytesMax)} {
		if o, err := ParseOrigin(text); err == nil {
			t.Errorf("%q: %+v", text, o)
		}
	}
	if o, err := ParseOrigin("node=A&later=1"); err != nil || o.Node != "A" {
		t.Errorf("what a newer node says: %+v, %v", o, err)
	}
}

// What can be read is written in the same way, and no text makes a node of another.
func FuzzParseOrigin(f *testing.F) {
	f.Add((&Origin{Node: "A"}).String())
	f.Add((&Origin{Node: "A", Client: netip.MustParseAddr("::ffff:192.0.2.1"), Peer: "[::1%eth0]:1", IsSecure: true}).String())
	f.Add("node=A;client=b")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOrigin(text)
		if err != nil {
			return
		}
		again, err := ParseOrigin(o.String())
		if len(o.String()) <= originBytesMax && (err != nil || again != o) {
			t.Fatalf("%q: %+v, and then %+v, %v", text, o, again, err)
		}
	})
}
