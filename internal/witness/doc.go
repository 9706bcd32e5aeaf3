// Package witness compares what the clients of channels were given with what
// publishers were told: nothing lost, repeated or reordered but in a gap that was
// announced.
package witness
