// Package loadgen makes load for servers of WebSockets, event streams and POSTs, and measures what they do with it.
//
// It is what "godwit bench" runs, and works against any server. Each of Echo,
// Fanout, SSE, Publish, Connections, Handshakes and Storm opens connections, makes
// one kind of load, and returns a Report: latencies, throughput, errors by kind, what the
// server's process used, and a verdict in a sentence or two.
//
// # Two loops
//
// In a closed loop each connection keeps a window of messages in flight and
// sends the next when an answer arrives. It finds how much a server can do, and
// says little about latency: a server that stalls is sent nothing meanwhile, so
// the stall is one slow message and not the thousand that users would have sent.
//
// In an open loop messages are due at times that were fixed before the run, and
// latency counts from then, also when the message could not be sent in time:
//
//	due      |    |    |    |    |    |    |
//	server   ok   ok   stalls.........ok   ok
//	counted  1    1    16   11   6    1    1 ms
//
// So nothing that a user would have waited for is left out of the percentiles
// (the mistake known as coordinated omission).
//
// # What the limit was
//
// A generator that is out of CPU measures itself. A Report has the generator's
// own use of the processors and how late it was with its schedule, and the
// verdict says so when that, and not the server, was the limit.
package loadgen
