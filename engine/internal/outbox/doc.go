// Package outbox is what a connection has to send and the network has not taken yet.
package outbox
