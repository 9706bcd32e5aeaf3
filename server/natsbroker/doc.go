// Package natsbroker is a hub.Broker on NATS JetStream: histories in one stream, and what is published to every node that
// listens.
//
//	Publish ─► ring ─► sendLoop ─► gw.in.CHANNEL ─► stream ─┬─► acknowledgement ─► ackLoop ─► Completer
//	                                                        └─► gw.out.CHANNEL ─► deliverLoop ─► Receiver
//
// The stream numbers publications, for all channels together: that is the offset. It
// sends each to core subscribers once it is stored, with the number of the one before it of
// the same channel, so a loss shows with the next publication, and is repaired by
// reading. A loss of the last one of a channel is found by checks: after whatever could
// have lost something, and from time to time.
//
// A record in a key-value bucket says which epoch the numbers of the stream belong to. It is changed, by
// compare and set, when the stream is another one, or has lost its end.
package natsbroker
