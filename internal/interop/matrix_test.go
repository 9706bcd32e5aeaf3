package interop

import (
	"testing"
)

// The same scenarios with every peer, in both roles, whole and compressed.

func TestNode(t *testing.T) {
	t.Parallel()
	matrix(t, startNode(t))
}

func TestPython(t *testing.T) {
	t.Parallel()
	matrix(t, startPython(t))
}

var scenarios = []struct {
	name string
	run  func(t *testing.T, p *peer, r role)
}{
	{"messages", testMessages},
	{"fragments", testFragments},
	{"pings", testPings},
	{"many messages", testManyMessages},
	{"compression", testCompression},
	{"subprotocols", testSubprotocols},
	{"headers", testHeaders},
	{"close by godwit", testCloseByGodwit},
	{"close by the peer", testCloseByPeer},
	{"faults of the peer", testFaultsOfPeer},
	{"faults of godwit", testFaultsOfGodwit},
	{"limits", testLimits},
	{"abrupt ends", testAbruptEnds},
}

func matrix(t *testing.T, p *peer) {
	for _, r := range []role{asServer, asClient} {
		t.Run(string(r), func(t *testing.T) {
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { s.run(t, p, r) })
			}
		})
	}
}
