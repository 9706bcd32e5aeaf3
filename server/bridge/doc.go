// Package bridge follows WebSockets of others and publishes in channels what they send.
//
// A bridge has one connection to its upstream, however many subscribe to its channels. When the upstream was away,
// a publication in each channel says so (package feed), so that nobody takes missing messages for silence.
// Of several processes with the same bridges an Owner says which of them has the connection.
package bridge
