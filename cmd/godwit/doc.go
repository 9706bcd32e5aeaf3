// Command godwit is a realtime server where a channel is a URL, and tools to speak to it from a shell.
//
// main.go maps errors to exit codes; every subcommand is a file of its own. What
// the commands print is part of the interface: scripts rely on it.
package main
