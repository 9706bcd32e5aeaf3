package packet

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// Conn is the protocol on one Engine.IO session, as a server sees it: packets are put
// together, and come only for namespaces that the client is in. It does no I/O and reads
// no clock. It is for one goroutine at a time.
//
//	(outside) ──CONNECT──► asked ──Accept──► joined ──DISCONNECT──► (outside)
//	                         └─────Refuse──► left ◄────Leave───┘
//
// A namespace that the server has closed is left and not outside for as long as the session
// lasts or until the client asks again: packets under way to it are ignored.
type Conn struct {
	decoder    Decoder
	deadline   time.Time
	namespaces map[string]state
}

type state uint8

const (
	asked state = iota + 1
	joined
	left
)

// NewConn returns the Conn of a session that begins now. The error is an *OptionError.
func NewConn(limits Limits, now time.Time) (*Conn, error) {
	limits, err := limits.WithDefaults()
	if err != nil {
		return nil, err
	}
	return &Conn{decoder: Decoder{limits: limits}, deadline: now.Add(limits.ConnectTimeout)}, nil
}

// Begin returns the unspoken request of a client of a legacy session: to join Main.
// ok is false for others. It is called once, first.
func (c *Conn) Begin() (p Packet, ok bool) {
	if !c.decoder.limits.Legacy {
		return Packet{}, false
	}
	c.set(Main, asked)
	return Packet{Type: Connect, Namespace: Main}, true
}

// Text takes a text message of the client, without the digit 4. ok says that there is
// something to do, which p says by its type:
//
//   - Connect: the client wants to join, and says Data. It waits for Accept or Refuse.
//   - Disconnect: the client has left.
//   - Event, Ack: to a namespace that it has joined.
//   - ConnectError: it is in too many namespaces. The packet is the answer.
//
// What p refers to is as with Decoder.Text. An error ends the session; it is one of this
// package.
func (c *Conn) Text(message []byte) (p Packet, ok bool, err error) {
	p, ok, err = c.decoder.Text(message)
	if err != nil || !ok {
		return Packet{}, false, err
	}
	return c.judge(p)
}

// Binary takes a binary message of the client. It is as Text.
func (c *Conn) Binary(message []byte) (p Packet, ok bool, err error) {
	p, ok, err = c.decoder.Binary(message)
	if err != nil || !ok {
		return Packet{}, false, err
	}
	return c.judge(p)
}

func (c *Conn) judge(p Packet) (Packet, bool, error) {
	if p.Type == Connect {
		return c.judgeConnect(p)
	}
	if p.Type == ConnectError {
		return Packet{}, false, ErrOrder
	}
	switch c.namespaces[p.Namespace] {
	case joined:
		if p.Type == Disconnect {
			delete(c.namespaces, p.Namespace)
		}
		return p, true, nil
	case left:
		return Packet{}, false, nil
	}
	return Packet{}, false, ErrOrder
}

func (c *Conn) judgeConnect(p Packet) (Packet, bool, error) {
	if c.decoder.limits.Legacy {
		p.Namespace, p.Data = legacyAuth(p.Namespace)
		if len(p.Namespace) > c.decoder.limits.NamespaceBytesMax {
			return Packet{}, false, ErrNamespace
		}
	}
	if s := c.namespaces[p.Namespace]; s == asked || s == joined {
		return Packet{}, false, ErrOrder
	}
	if len(c.namespaces) >= c.decoder.limits.NamespacesMax && !c.makeRoom(p.Namespace) {
		const message = "Too many namespaces"
		return c.connectError(p.Namespace, message, nil), true, nil
	}
	c.set(p.Namespace, asked)
	return p, true, nil
}

// makeRoom reports whether the table has room for a namespace, after it has forgotten one
// that was left if that helps.
func (c *Conn) makeRoom(namespace string) bool {
	if _, known := c.namespaces[namespace]; known {
		return true
	}
	for n, s := range c.namespaces {
		if s == left {
			delete(c.namespaces, n)
			return true
		}
	}
	return false
}

func (c *Conn) set(namespace string, s state) {
	if c.namespaces == nil {
		c.namespaces = make(map[string]state, 1)
	}
	c.namespaces[namespace] = s
}

// legacyAuth takes the query off a namespace, and returns it as a JSON object of strings.
func legacyAuth(namespace string) (string, []byte) {
	namespace, query, has := strings.Cut(namespace, "?")
	if !has {
		return namespace, nil
	}
	values, _ := url.ParseQuery(query) // what can be read of it
	said := make(map[string]string, len(values))
	for name, v := range values {
		said[name] = v[0]
	}
	data, _ := json.Marshal(said) // strings only
	return namespace, data
}

// Accept answers a Connect: the client has joined. It returns the frame that says so, with
// the public id of the client in this namespace, and the private one with which it may
// recover, if that is not empty. It returns nil if the client does not wait for it.
func (c *Conn) Accept(namespace, sid, pid string) []byte {
	if c.namespaces[namespace] != asked {
		return nil
	}
	c.namespaces[namespace] = joined
	c.deadline = time.Time{}
	p := Packet{Type: Connect, Namespace: namespace}
	if !c.decoder.limits.Legacy {
		p.Data = append(p.Data, `{"sid":`...)
		p.Data = jsontext.AppendString(p.Data, sid)
		if pid != "" {
			p.Data = append(p.Data, `,"pid":`...)
			p.Data = jsontext.AppendString(p.Data, pid)
		}
		p.Data = append(p.Data, '}')
	}
	return p.textFrame()
}

// Refuse answers a Connect: the client may not join, and will not try again by itself. It
// returns the frame that says so, with a message and perhaps data, a JSON value. It returns
// nil if the client does not wait for it.
func (c *Conn) Refuse(namespace, message string, data []byte) []byte {
	if c.namespaces[namespace] != asked {
		return nil
	}
	// Nothing is under way to it: the client waits for the answer.
	delete(c.namespaces, namespace)
	p := c.connectError(namespace, message, data)
	return p.textFrame()
}

func (c *Conn) connectError(namespace, message string, data []byte) Packet {
	p := Packet{Type: ConnectError, Namespace: namespace}
	switch {
	case c.decoder.limits.Legacy && len(data) > 0:
		p.Data = append(p.Data, data...)
	case c.decoder.limits.Legacy:
		p.Data = jsontext.AppendString(p.Data, message)
	default:
		p.Data = append(p.Data, `{"message":`...)
		p.Data = jsontext.AppendString(p.Data, message)
		if len(data) > 0 {
			p.Data = append(p.Data, `,"data":`...)
			p.Data = append(p.Data, data...)
		}
		p.Data = append(p.Data, '}')
	}
	return p
}

// Leave has the server close a namespace that the client has joined. It returns the frame
// that says so, or nil if the client is not in it.
func (c *Conn) Leave(namespace string) []byte {
	if c.namespaces[namespace] != joined {
		return nil
	}
	c.namespaces[namespace] = left
	p := Packet{Type: Disconnect, Namespace: namespace}
	return p.textFrame()
}

// IsJoined reports whether the client is in a namespace.
func (c *Conn) IsJoined(namespace string) bool { return c.namespaces[namespace] == joined }

// Deadline is when Expire is to be called. The zero time is never.
func (c *Conn) Deadline() time.Time { return c.deadline }

// Expire returns ErrConnectTimeout, which ends the session, if the deadline has passed.
// A client whose Connect waits for an answer is not too late: it has another deadline.
func (c *Conn) Expire(now time.Time) error {
	if c.deadline.IsZero() || now.Before(c.deadline) {
		return nil
	}
	for _, s := range c.namespaces {
		if s == asked {
			c.deadline = now.Add(c.decoder.limits.ConnectTimeout)
			return nil
		}
	}
	c.deadline = time.Time{}
	return ErrConnectTimeout
}
