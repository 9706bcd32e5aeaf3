// Package poller waits for what happens to the sockets of one loop.
package poller
