// Package session is a client's side of godwit.v1 as a state machine: it does no I/O and
// reads no clock.
//
// Objects of the server, times and wishes go in; lines to send, events and outcomes come out.
package session
