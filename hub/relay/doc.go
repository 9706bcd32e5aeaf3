// Package relay is a hub.Broker that can be moved to another process while hubs use it.
//
// It is a membroker until then, with nothing between but a call. When it moves, the other
// process gets everything it holds (membroker.Snapshot), and what the hub here asks from
// then on goes there and comes from there, over a connection between the two:
//
//	process that is replaced                    process that replaces it
//
//	sessions ── hub ── Broker ┄┄ membroker      membroker ── Broker ── hub ── sessions
//	                     └────── connection ─────────────────┘
//	                       publish, listen, history ─►
//	                       ◄─ outcomes, deliveries
//
// So clients that are still here publish to those that are there already, and receive
// their publications. A Broker that has moved can host one that moved to it before: the
// process before the last one may still have clients when the last one is replaced.
package relay
