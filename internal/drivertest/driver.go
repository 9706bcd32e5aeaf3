package drivertest

import (
	"fmt"
	"math"
	"net"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// Driver is what a package that moves bytes says of itself.
type Driver struct {
	// Client says that the driver is the client's side, and the suite its server.
	Client bool

	// Secure says that connect returns connections of TLS.
	Secure bool

	// Virtual has every row run in a bubble of testing/synctest.
	Virtual bool

	// Slack is how much too late a timer may fire in virtual time.
	Slack time.Duration

	Errors Errors

	// Start makes connections with o, for app, until t ends. connect opens the
	// transport of one; a client's begins its opening handshake there.
	Start func(t testing.TB, o *Options, app App) (connect func() net.Conn)
}

// Errors are those that the driver's package names.
type Errors struct {
	MessageType, NotUTF8, CloseCode, Closing, QueueFull, WriteTimeout error
}

// Options are those that every driver has. Zero is the driver's default, and
// noLimit means none.
type Options struct {
	MessageBytesMax int64
	FragmentsMax    int
	Compression     *deflate.Options
	QueueBytesMax   int

	PingInterval     time.Duration
	PingTimeout      time.Duration
	IdleTimeout      time.Duration
	WriteTimeout     time.Duration
	CloseTimeout     time.Duration
	HandshakeTimeout time.Duration

	Origins      *handshake.Origins
	Subprotocols []string
}

// noLimit is the NoLimit of every driver, which is judged from outside.
const noLimit = math.MaxInt

// App is what the driver calls: for one connection one call after another, Opened
// first and Closed last, each of these once. A Message's memory may be the
// driver's. Message may panic, and a driver whose App calls itself, because the
// application is a loop of reads, then does what its documentation recommends.
type App interface {
	Opened(c Conn)
	Message(c Conn, m Message)
	Closed(c Conn, end *End)
}

// Conn is a connection as the rows use it, from any goroutine.
type Conn interface {
	Write(m Message) error         // may wait for the network
	Enqueue(m Message) error       // does not wait, and is bounded by QueueBytesMax
	WritePrepared(m Message) error // is encoded apart from the connection
	WriteFrames(frames ...[]byte) error
	Ping()              // does not wait for the pong
	RTT() time.Duration // of the newest ping that was answered
	Buffered() int
	Close(code wire.CloseCode, reason string) error // may wait for the peer
	CloseNow()
	Subprotocol() string
}

// Message is a message whole.
type Message struct {
	Op   wire.Opcode
	Data []byte
}

func text(s string) Message   { return Message{wire.Text, []byte(s)} }
func binary(s string) Message { return Message{wire.Binary, []byte(s)} }

// String shows m as wstest.Frame does.
func (m Message) String() string { return fmt.Sprintf("%s %q", m.Op, m.Data) }

// End is how a connection ended.
type End struct {
	Code   wire.CloseCode // of the peer
	Reason string
	Sent   wire.CloseCode // of this side
	Err    error          // nil after an orderly close
}

func (e *End) String() string {
	return fmt.Sprintf("%d %q, sent %d, %v", e.Code, e.Reason, e.Sent, e.Err)
}
