// Command compatecho answers the official test suites of the protocols of others: an echo
// server for each, with the options that its suite expects, all at one address.
//
//	go run ./internal/compatecho [-driver=engine|nethttp] 127.0.0.1:3000
package main
