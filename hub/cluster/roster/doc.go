// Package roster makes the members of channels the same on every node of a cluster: each tells
// the others what changes in its own, and keeps those of others where somebody here wants to know.
//
// A change is one small message for each channel in which something has changed within
// a quarter of a second, on a topic that only nodes hear which are interested in the channel;
// at rest there is none. A node becomes interested when somebody watches the members or asks
// for them. It hears the topic then, and asks every other node once for the members it has, page by
// page; half a minute after the last one has asked it forgets them.
//
//	                  topic of the channel
//	node a  ── changes 4→7, 7→8, … ─────────► node b, interested:
//	                                            in a row: applied to the hub's Mirror
//	        ◄── page 0? ──────────────────────  a hole:   asks again
//	        ─── as of 8: ann, bob, … ─────────►
//
// Nothing is promised of a message of the bus, so every change names the one before it in its
// channel. The last one that a node has made, of all channels, is in what the node says every
// two seconds to be alive: where that has moved, others ask it, at most every few seconds, in which
// of the channels that they keep they have missed something.
//
// The members of a node that has died leave together. Those of one that ends, and whose clients
// are about to come back through other nodes, stay for a few seconds, or until they have come
// back: for those who look at users, nobody seems to have left.
package roster
