package hub

import "context"

// BusBytesMax is the longest message of a BusBroker, and BusTopicBytesMax the longest
// topic.
const (
	BusBytesMax      = 512 << 10
	BusTopicBytesMax = 320
)

// BusBroker is a Broker that also carries messages from node to node: to all users of
// the same broker. They are no publications; nothing keeps them, and a message whose
// connection breaks on the way is lost. Package cluster builds on it the nodes'
// knowledge of each other.
type BusBroker interface {
	Broker

	// Send sends data to all hearers of topic, in this process, too. It returns at
	// once: with an error if data or topic is too long, the topic is empty or the broker closed, and
	// else the fate of the message is not known. The messages of one sender to a topic come in the
	// order in which they were sent. The broker keeps data; the caller must not
	// modify it afterwards. A topic is any text without control characters and white space.
	Send(topic string, data []byte) error

	// Hear has to be called with every message to topic that is sent after Hear has
	// returned, until stop is called; a call under way may still come after that.
	// Several may hear one topic.
	Hear(ctx context.Context, topic string, to Hearer) (stop func(), err error)
}

// Hearer is given messages by a BusBroker. For one call of Hear its methods are called
// one at a time, with no lock of the broker held, and they do not block.
type Hearer interface {
	// Heard takes a message, which it must not modify and may keep.
	Heard(data []byte)

	// Missed says that messages to the topic may have been lost: its connection broke and has
	// been mended, for example.
	Missed()
}
