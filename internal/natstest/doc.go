// Package natstest runs nats-server as a child process for tests: alone or as a cluster, with JetStream, and lets
// them kill, stop and restart it.
//
// The server is that of module internal/natsserver, built by the go command and kept in
// its cache. Tests that need it skip with the reason where it cannot be built, and fail
// if GODWIT_REQUIRE_ALL is set.
package natstest
