// Package diskbroker is a hub.Broker of a single process whose histories outlive it, in a directory.
//
// It is a membroker with a journal: everything that changes what it knows is written to a log
// before it is accepted, delivered or found. From time to time the whole state is written, and the
// log before it goes.
//
//	publisher ─► position, record ─┐                    ┌─► lane ─► history, delivery, answer
//	publisher ─► position, record ─┼─► write (and sync) ┼─► lane ─► …
//	publisher ─► position, record ─┘     a batch        └─► lane ─► …
//
// The directory:
//
//	lock        held by the process that has it, which it names
//	owner       the format, how the last process ended, and on which boot of the machine it ran
//	mark        how far the log was acknowledged
//	state-N     everything up to the beginning of log-N
//	log-N …     what changed since, each record with a checksum of it and of its place
//	moved       made by an operator who says that this is no copy: the original is gone
//	damaged/    what was found damaged last, set aside
//
// State and log up to the mark are opened again. When acknowledged publications may be missing (the
// machine failed, a file is damaged, the directory is an older copy), the rest is kept under another
// epoch, so that every client that comes back is told of a gap and no position means two things.
package diskbroker
