// Package packet is the Socket.IO protocol without I/O: what its packets are, how they
// travel in the messages of an Engine.IO session, and which may come when.
//
// A packet has a type, a namespace, perhaps an acknowledgement id, and JSON:
//
//	2/chat,7["say","hello",{"bold":true}]
//	│ │    │ └ the event's name and its arguments
//	│ │    └ an acknowledgement is asked for
//	│ └ the namespace; left out for "/"
//	└ EVENT
//
// Bytes inside the JSON travel behind it, as binary messages of their own, and a
// placeholder says where each belongs:
//
//	51-["upload",{"_placeholder":true,"num":0}]      then the bytes
//
// [Parse] reads the text of one packet, [Decoder] puts packets with attachments together,
// and [Conn] is both together with the rules of order, for a server. The other way,
// [Packet.Frames] makes the WebSocket frames that all receivers of a packet can share.
//
// JSON is never decoded and encoded again: arguments stay the bytes that came, so large
// numbers, the order of keys and the keys themselves survive.
//
// The protocol is version 5, which clients speak from version 3 on. Version 4 of the packet
// format, that of clients 1 and 2, differs in how namespaces are joined: Limits.Legacy.
package packet
