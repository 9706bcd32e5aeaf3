// Package handover is what two processes tell each other when one takes the place of the other.
//
// The process that goes sends its listening sockets, as descriptors, and then what it knows, as
// sections that have a name, a version and any number of bytes. The process that comes says
// before that which sections it understands, and each says how far it has come:
//
//	process that goes                    process that comes
//	  sockets ─────────────────────────►
//	          ◄───────────────────────── Hello: versions, sections
//	  sections … ──────────────────────►
//	  End ─────────────────────────────►
//	          ◄───────────────────────── Loaded
//	  Go ──────────────────────────────►
//	          ◄───────────────────────── Serving
//
// Either of them can send Failed instead. Every frame has a checksum. A version of the
// conversation understands itself and the one before it.
package handover
