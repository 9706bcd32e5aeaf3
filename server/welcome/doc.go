// Package welcome serves the page a browser is shown at the root of a Godwit server.
//
// The page is a client like any other: plain ES modules that speak to the channels
// chat, demo/board and demo/ticker of the server that served it, over the public
// HTTP surface. Everything it needs is embedded, nothing is built, and its
// Content-Security-Policy lets it load nothing from anywhere else.
package welcome
