// Package wstest is test support for WebSocket code: an in-memory wire and a
// peer that says exactly what a test tells it to.
//
// The wire behaves like a socket, with a buffer, deadlines and half-close, but
// needs no port and no real time: inside testing/synctest everything that waits
// on it waits in virtual time, so timeouts are tested exactly and at once.
package wstest
