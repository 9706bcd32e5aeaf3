// Package deflate is permessage-deflate, the compression of WebSocket messages (RFC 7692).
//
// It is pure: bytes in, bytes out, with no I/O, no clock and no goroutine. It
// has three parts.
//
// Negotiation. A server answers with Accept, a client asks with Offer and
// checks the answer with CheckResponse. Both get Params, and from them one
// Direction for sent messages and one for received messages.
//
// Deflater compresses the messages of a connection, or Append a message for
// many connections. A payload appears in the frames like this:
//
//	message   ──► blocks, an empty stored block, less its 00 00 ff ff ──► frames
//	                                                    RSV1 set on the first
//
// Inflater decompresses them, in whatever parts they arrive, into memory of the
// caller's, and counts while it does so: a message that would exceed a limit
// fails at the first byte beyond it, however small it was compressed.
//
// # Why not compress/flate
//
// A compress/flate writer for each connection takes about a megabyte, nearly
// all of it for matching, and knows no window but 32 KiB. A reader pulls its
// input, so a message that arrives in parts needs a goroutine or must be held
// whole, and it copies the window for each message. Here both are state machines whose state between
// messages is the window:
//
//	                     between messages                        during one
//	Deflater, takeover   <= 4<<HistoryBits, default 32 KiB       + 72 KiB, pooled
//	Deflater, none       nothing                                 + <= 200 KiB, pooled
//	Inflater, takeover   <= 1<<window bits, as far as needed     + 8 KiB, pooled
//	Inflater, none       nothing                                 + 8 KiB and the window, pooled
//
// The history that is kept grows with what was sent, so a connection that has
// exchanged 1 KiB keeps a few KiB whatever was agreed.
//
// # Window bits
//
// All of 8 to 15 are honoured in both directions. The well-known difficulty
// with 8 is zlib's: its compressor needs room for a match ahead of the window.
// This one compares positions, and refers back at most 1<<bits bytes by
// construction.
package deflate
