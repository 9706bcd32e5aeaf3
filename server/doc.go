// Package server is the product: channels over HTTP behind one listener, with
// configuration, metrics, a demo feed and an orderly end.
//
// New checks a Config and builds a Server; Run serves until its context ends and
// then drains. The zero Config works: loopback only, everything open.
package server
