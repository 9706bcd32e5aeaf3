// Package guard decides about everything that a client of the server wants to do.
//
// It judges identity, rights and rates: it is the transport.Guard of the product,
// made of what the configuration says: tokens and keys (package identity), the rules
// of channels, the application (package hooks), and rates.
//
// Everything that it decides by can be replaced while it decides, all at once.
package guard
