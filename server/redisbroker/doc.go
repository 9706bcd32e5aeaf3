// Package redisbroker is the hub.Broker that keeps histories in Redis or Valkey, 7.0 or later: alone, behind Sentinel or as a Redis Cluster.
//
// A channel is a stream, and is in one of some partitions, which have names such as
// {12}. All keys and topics of a partition are in one slot of a cluster:
//
//	g1:{12}:e                    the epoch of the partition: "EPOCH MILLISECONDS REPLID"
//	g1:{12}:EPOCH:s:CHANNEL      the history of a channel: a stream with the IDs 0-OFFSET
//	g1:{12}:i:HASH               an idempotency key: "EPOCH OFFSET" of its publication
//	g1:{12}:c:CHANNEL            the topic of a channel
//	g1:{12}:a                    the topic of all its channels, for patterns (in a cluster)
//	g1:{12}:b:TOPIC              a topic of the bus
//
// One script publishes what waits together in a partition, one call at a time, so that
// outcomes are in order without anything else; while it is under way more gathers. What is alone, and
// goes into a stream that is there, has a shorter one.
//
// # Epochs
//
// A replica that becomes a master may lack what the old one had acknowledged, and would
// number other publications alike. The sign of it is master_replid, which is another
// one after each promotion and each restart. The partition's epoch belongs to one, and is a
// part of the names of its streams: with another epoch the old ones are not found, and
// expire.
//
// To ask for master_replid with each publication would cost a third of it. Instead the text of
// each script that publishes names the partition and the replid that its caller
// knows. Redis runs a script by its hash only if this process has been given the text, and caches
// are neither replicated nor kept (since 7.0): a server that was restarted or promoted answers
// NOSCRIPT. Then the text is sent, to be run with a check of master_replid, which begins
// another epoch if it has changed.
//
// A server that was the master before, and is it again in the same process, has the script of
// then still. All connections to it have ended meanwhile: Sentinel ends them whenever it changes
// the role of a server, and so should others that do (CLIENT KILL TYPE normal). So the first
// thing that is done with a server behind a new connection, before anything can be sent on that, is to look
// at its master_replid for all partitions (verify.go). The watch of broker.go looks at it besides,
// every few seconds.
//
// # Offsets
//
// XADD numbers entries 0-1, 0-2, …: offsets without holes, so what is missing is
// known from the offset alone. A stream begins at the server's time in microseconds, so a
// channel that has expired, or was deleted, and comes back does not give out an offset again,
// unless it has had a million publications a second. Offsets stay below 2⁵³ until the year 2255.
package redisbroker
