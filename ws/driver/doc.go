// Package driver is the vocabulary that every driver of WebSocket connections shares.
//
// A driver moves the bytes of connections: package ws on a goroutine for each of
// them, package engine on event loops. What a message is, how a connection ends,
// which errors its methods return and what its options mean does not depend on
// that, so it is defined here once, and both have it under the same names as
// aliases. A *ws.CloseError is an *engine.CloseError, and a message of ws.Prepare can be
// sent by a connection of either.
//
// A program seldom names this package: what it needs is in ws and in engine.
package driver
