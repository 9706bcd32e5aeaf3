// Package forward hands requests of clients on to the node of a cluster that has their
// session.
//
//	client ─► node that was asked ── Forwarder ──► Gate ─► node that has the session
//
// The request is handed on as it came, streams and WebSockets included, with what the
// first node knows of the client. Only a peer that shows the token of a node is let in by
// its Gate, and nothing is handed on twice.
package forward
