//go:build linux

package server

import (
	"net"
	"testing"

	"github.com/godwit-io/godwit/server/handover"
)

// Sockets are taken for the address that they were bound for, however that is written now,
// and each once.
func TestTakeFor(t *testing.T) {
	socket := func(address, spec string) handover.Socket {
		t.Helper()
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Skipf("%v: this machine has no such address", err)
		}
		t.Cleanup(func() { ln.Close() })
		if spec == "" {
			spec = ln.Addr().String()
		}
		return handover.Socket{Listener: ln, Spec: spec}
	}
	bound := func(s handover.Socket) string { return s.Addr().String() }
	free := socket("127.0.0.1:0", "127.0.0.1:0")
	named := socket("127.0.0.1:0", "")
	all := socket("[::]:0", "[::]:0")
	lent := socket("127.0.0.1:0", "systemd:web")
	_, port, err := net.SplitHostPort(bound(all))
	if err != nil {
		t.Fatal(err)
	}
	p := &predecessor{offer: handover.Offer{Sockets: []handover.Socket{free, named, all, lent}}}
	for _, row := range []struct {
		address string
		want    *handover.Socket
	}{
		{"127.0.0.1:1", nil},
		{"unix:/nowhere", nil},
		{"systemd:api", nil},
		{"127.0.0.1:0", &free}, // a port that was free then is the same port now
		{"127.0.0.1:0", nil},
		{":" + port, &all}, // written differently
		{":" + port, nil},
		{bound(named), &named},
		{"systemd:web", &lent},
		{bound(lent), nil},
	} {
		taken := p.takeFor(t.Context(), row.address)
		switch {
		case row.want == nil && taken == nil:
		case row.want != nil && len(taken) == 1 && bound(taken[0]) == bound(*row.want):
		default:
			t.Errorf("for %s it takes %v, want %v", row.address, taken, row.want)
		}
	}
	if len(p.offer.Sockets) > 0 {
		t.Errorf("left are %v", p.offer.Sockets)
	}
	var nobody *predecessor
	if taken := nobody.takeFor(t.Context(), "127.0.0.1:0"); taken != nil {
		t.Error(taken)
	}
}
