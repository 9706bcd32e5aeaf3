// Package clustertest runs `godwit serve` in processes, one or several that share a
// broker, for tests, and does to them what befalls servers: kill -9, a stop without
// warning (SIGSTOP), an end in good order, a new start, an upgrade.
package clustertest
