// Package inspect explains a WebSocket endpoint to a person, from outside.
//
// Run looks up the name, connects, verifies the certificate, makes the opening
// handshake and uses the connection for a few seconds. It reports what happened
// at each step, and as findings what that means and what to do about it. It is
// made for endpoints that do not work: faults are judged from the bytes, and
// where there are several explanations it tries the handshake again with one
// thing changed to see which is right.
//
//	target ─► proxy ─► DNS ─► TCP ─► TLS ─► request ─► response     an Exchange, one per redirect
//	                                                      │
//	               refusal: why? Probes ◄── not 101 ──────┤
//	                                                      ▼ 101
//	                            messages and pings, close, Probes of the origin policy
//
// Steps gather facts (exchange.go, session.go), and judging them comes after.
// Every finding has an ID and a grade from one table (catalogue.go).
//
// All text of the server in a Report is safe to print: without control
// characters, and of bounded length. Everything read is bounded, and every wait
// has a timeout.
package inspect
