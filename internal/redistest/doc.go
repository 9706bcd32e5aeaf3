// Package redistest runs redis-server as a child process for tests: alone, as a master with a replica and a sentinel, or as a cluster, and lets them kill, stop and restart it.
//
// Tests that need it skip with the reason where redis-server is not installed, and fail
// if GODWIT_REQUIRE_ALL is set.
package redistest
