// Package roster makes the members of channels the same on every node of a cluster: each tells the
// others the changes of its own, and keeps those of others where a caller here needs them.
//
// A change is one small message for each channel in which something has changed within
// a quarter of a second, on a topic that only nodes interested in the channel hear; at rest there
// is none. A node becomes interested when a session watches the members or a caller asks for them.
// It hears the topic then, and asks every other node once for the members it has, page by
// page; half a minute after the last request it forgets them.
//
//	                  topic of the channel
//	node a  ── changes 4→7, 7→8, … ─────────► node b, interested:
//	                                            in a row: applied to the hub's Mirror
//	        ◄── page 0? ──────────────────────  a hole:   asks again
//	        ─── as of 8: ann, bob, … ─────────►
//
// Nothing is promised of a message of the bus, so every change names the one before it in its
// channel. The last change that a node has made, of all channels, is in its beat, every two
// seconds: where that has moved, others ask it, at most every few seconds, in which
// of the channels that they keep they have missed something.
//
// The members of a node that has died leave together. The members of a node that ends, and
// whose clients are about to come back through other nodes, stay for a few seconds, or until
// they have come back: for watchers of users, no user seems to have left.
package roster
