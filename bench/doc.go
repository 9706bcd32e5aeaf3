// Command bench compares Godwit with other WebSocket libraries for Go on this
// machine.
//
//	go run . > figures.md                           # everything, about 11 minutes
//	go run . -only echo -sizes 64 -rounds 1 -seconds 2
//
// Each server is a process of its own, on one processor and with GOMAXPROCS=1;
// the generator, "godwit bench", is another, on another processor. Servers take
// turns, A B C A B C, so that a machine that gets slower for a while slows all of
// them. The tables on standard output are Markdown: medians, and how much they
// vary.
//
// It is a module of its own, so that the other libraries are in nobody's graph.
package main
