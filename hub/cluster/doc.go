// Package cluster makes nodes that use one broker know each other.
//
// Everything goes through hub.BusBroker: no node connects to another for it.
//
//	node A                      the broker                        node B
//
//	beat, each 2 s ───────────►  "cluster"  ────────────────────► Peers, Watch
//	Tell ─────────────────────►             ────────────────────► HandleTold
//	Ask, AskAll ──────────────►  "cluster/B"  ──────────────────► Handle
//	             ◄────────────── "cluster/A"  ◄────────────────── its answer, in parts
//	Send ─────────────────────►  "topic/…"  ────────────────────► Subscribe
//
// A node that was not heard for three beats and a half is dead. A node that leaves says so. A
// node also hears its own beats: while it does not, it is its own connection that is broken, or
// this process that stood still, so no node is declared dead; and how long a beat takes to come
// back is the lag to the broker.
//
// Nothing compares clocks of two machines: ages and time-outs travel as durations.
//
// Messages are lines of JSON with data behind them. What a node does not know in them it ignores, so
// that a newer version can say more; each says which versions of the format it reads.
package cluster
