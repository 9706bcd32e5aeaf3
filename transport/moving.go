package transport

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	varint "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// SessionsVersion is the version of the text that ExportSessions writes. A version is
// read by itself and the next.
const SessionsVersion = 1

const (
	replyBytesMax   = 64 << 10 // of a reply that goes over
	repliesBytesMax = 64 << 20 // of all of them
	recordBytesMax  = 8 << 20  // of a session
	identityPresent = 1
)

// errSessions is the error for what ExportSessions has not written.
var errSessions = errors.New("transport: sessions are malformed")

// MoveSessions says whether sessions are going to go on in another process, which has the
// same Broker by then. From then on every publication of a session has an idempotency key,
// made of the session and the command: if its client asks for it again there, as no reply
// has come, it is not published twice. ImportSessions keeps this up for its sessions.
func (t *Transport) MoveSessions(isMoving bool) { t.isMoving.Store(isMoving) }

// sessionUnknown is the answer to a client that wants to go on with a session that is not here, or
// is over. While sessions go on in another process it may be there, so the client is told to come back.
func (t *Transport) sessionUnknown() error {
	if t.isMoving.Load() {
		return hub.ErrShutdown
	}
	return errSessionUnknown
}

// keyed returns the message of a publication, with a key if the same command may come again
// where its reply is not known.
func (c *conversation) keyed(command *dialect.Command) hub.Message {
	m := command.Message
	l := c.link()
	if l == nil || l.seat == nil || m.IdempotencyKey != "" || command.Tag == 0 || !l.seat.isRestored && !c.t.isMoving.Load() {
		return m
	}
	// IDs of sessions are public, and nobody else is to know the key.
	sum := sha256.Sum256(strconv.AppendUint([]byte(string(l.seat.secret[:])+"/"), command.Tag, 10))
	m.IdempotencyKey = "session:" + base64.RawURLEncoding.EncodeToString(sum[:18])
	return m
}

// ExportSessions writes the sessions of ConnectPath as they are at this moment, for
// ImportSessions in another process: their identities and the outcomes of their commands.
// Subscriptions are not in it, as a client that resumes subscribes again, from its positions;
// registrations are.
// The sessions go on. It returns the error of w.
func (t *Transport) ExportSessions(w io.Writer) error {
	t.seats.mu.Lock()
	seats := make([]*seat, 0, len(t.seats.m))
	for _, s := range t.seats.m {
		seats = append(seats, s)
	}
	t.seats.mu.Unlock()
	out := bufio.NewWriterSize(w, 64<<10)
	var record, length []byte
	left := repliesBytesMax
	for _, s := range seats {
		s.mu.Lock()
		d, isOver := s.dialect, s.isOver
		moved := movedSession{id: s.session.ID(), secret: string(s.secret[:]), client: s.client, connect: s.connect}
		if s.left != nil {
			moved.methods = s.left.methods
		}
		s.mu.Unlock()
		if isOver || s.session.HasEnded() {
			continue
		}
		if moved.methods == nil {
			moved.methods = s.session.Registrations()
		}
		moved.identity, moved.state = s.session.Identity(), d.State()
		for i := range moved.state.Replies {
			if r := &moved.state.Replies[i]; len(r.Reply) > replyBytesMax || len(r.Reply) > left {
				r.Reply = nil
			} else {
				left -= len(r.Reply)
			}
		}
		record = appendSession(record[:0], &moved)
		length = varint.AppendUvarint(length[:0], uint64(len(record)))
		out.Write(length) // Flush has its error
		out.Write(record)
	}
	return out.Flush()
}

// movedSession is the part of a session that moves.
type movedSession struct {
	id, secret string
	client     string // what the client says of itself
	connect    uint64 // the ID of its newest connect
	identity   *access.Identity
	state      dialect.SessionState
	methods    map[string]hub.RegisterOptions // nil for none
}

// A session is its ID, secret, client, newest connect, identity, state, and registrations.
// Strings have their length before them.
func appendSession(dst []byte, s *movedSession) []byte {
	dst = appendText(appendText(appendText(dst, s.id), s.secret), s.client)
	dst = varint.AppendUvarint(dst, s.connect)
	if id := s.identity; id == nil {
		dst = append(dst, 0)
	} else {
		dst = append(dst, identityPresent, byte(id.Kind))
		dst = appendText(appendText(appendText(dst, id.User), id.Name), id.ID)
		dst = appendMoment(appendMoment(dst, id.Expires), id.IssuedAt)
	}
	dst = varint.AppendUvarint(dst, s.state.Newest)
	dst = varint.AppendUvarint(dst, s.state.Forgotten)
	dst = appendText(dst, s.state.Messages)
	dst = varint.AppendUvarint(dst, uint64(len(s.state.Replies)))
	for _, r := range s.state.Replies {
		dst = varint.AppendUvarint(dst, r.ID)
		dst = appendText(dst, string(r.Reply)) // no reply is empty
	}
	dst = varint.AppendUvarint(dst, uint64(len(s.methods)))
	for pattern, o := range s.methods {
		dst = varint.AppendUvarint(appendText(dst, pattern), uint64(o.ConcurrentMax))
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(varint.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendMoment(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return varint.AppendVarint(dst, 0)
	}
	return varint.AppendVarint(dst, t.UnixNano())
}

// sessionFields takes what appendSession has appended. After an error everything is zero.
type sessionFields struct {
	b   []byte
	err error
}

func (f *sessionFields) fail() { f.b, f.err = nil, errSessions }

func (f *sessionFields) uint() uint64 {
	n, size := varint.Uvarint(f.b)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.b = f.b[size:]
	return n
}

func (f *sessionFields) moment() (t time.Time) {
	n, size := varint.Varint(f.b)
	if size <= 0 {
		f.fail()
		return t
	}
	f.b = f.b[size:]
	if n != 0 {
		t = time.Unix(0, n)
	}
	return t
}

func (f *sessionFields) byte() byte {
	if len(f.b) == 0 {
		f.fail()
		return 0
	}
	b := f.b[0]
	f.b = f.b[1:]
	return b
}

func (f *sessionFields) text() string {
	n := f.uint()
	if n > uint64(len(f.b)) {
		f.fail()
		return ""
	}
	s := string(f.b[:n])
	f.b = f.b[n:]
	return s
}

// parseSession takes what appendSession has appended.
func parseSession(b []byte) (s movedSession, err error) {
	f := &sessionFields{b: b}
	s.id, s.secret, s.client = f.text(), f.text(), f.text()
	s.connect = f.uint()
	switch f.byte() {
	case 0:
	case identityPresent:
		id := &access.Identity{Kind: access.Kind(f.byte())}
		id.User, id.Name, id.ID = f.text(), f.text(), f.text()
		id.Expires, id.IssuedAt = f.moment(), f.moment()
		if id.Kind > access.Application {
			f.fail()
		}
		s.identity = id
	default:
		f.fail()
	}
	s.state.Newest, s.state.Forgotten = f.uint(), f.uint()
	s.state.Messages = f.text()
	for n := f.uint(); n > 0 && f.err == nil; n-- {
		r := dialect.StateReply{ID: f.uint()}
		if reply := f.text(); reply != "" {
			r.Reply = []byte(reply)
		}
		s.state.Replies = append(s.state.Replies, r)
	}
	for n := f.uint(); n > 0 && f.err == nil; n-- {
		if s.methods == nil {
			s.methods = make(map[string]hub.RegisterOptions)
		}
		pattern, most := f.text(), f.uint()
		s.methods[pattern] = hub.RegisterOptions{ConcurrentMax: int(min(most, math.MaxInt32))}
	}
	if len(f.b) > 0 || len(s.secret) != len(secret{}) {
		f.fail()
	}
	return s, f.err
}

// ImportSessions takes over what ExportSessions has written in another process, in this
// version or the one before. Each session waits for its client to resume it, for patience
// longer than SessionTimeout: so long may the other process have it. It is not a member of
// any channel meanwhile, and its identity may do nothing: the client shows its own again.
// It registers for its methods when its client is back, as far as that one still may.
// After an error some of them may be there.
func (t *Transport) ImportSessions(r io.Reader, patience time.Duration) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var b []byte
	for {
		n, err := varint.ReadUvarint(in)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("transport: cannot read sessions: %w", err)
		case n > recordBytesMax:
			return errSessions
		}
		// Memory grows with what has arrived, and not with what was announced.
		for b = b[:0]; uint64(len(b)) < n; {
			have := len(b)
			b = append(b, make([]byte, min(int(n)-have, max(have, 4<<10)))...)
			if _, err := io.ReadFull(in, b[have:]); err != nil {
				return fmt.Errorf("transport: cannot read sessions: %w", err)
			}
		}
		s, err := parseSession(b)
		if err != nil {
			return err
		}
		if err := t.restore(&s, patience); err != nil {
			return err
		}
	}
}

// registrations are the commands with which a session registers for its methods again.
func (l *leftBehind) registrations() (commands []dialect.Command) {
	for pattern, o := range l.methods {
		commands = append(commands, dialect.Command{Kind: hub.CommandRegister, Action: access.Answer, Channel: pattern, Register: o})
	}
	return commands
}

// restore has a session wait for its client.
func (t *Transport) restore(from *movedSession, patience time.Duration) error {
	if t.seats.find(from.id) != nil {
		return errSessions
	}
	s := &seat{t: t, isRestored: true, client: from.client, connect: from.connect, dialect: dialect.RestoreSession(&t.sessions, &from.state)}
	copy(s.secret[:], from.secret)
	s.left = &leftBehind{dialect: s.dialect, resumes: true, patience: patience, methods: from.methods}
	quiet := func() { s.lookUnheld() }
	session, err := t.hub.Restore(from.id, from.identity, s.dialect.Transport(), s.holder.wake)
	if err != nil {
		return err
	}
	s.session = session
	t.seats.waiting.Add(1)
	t.seats.add(s)
	s.holder.ring.Store(&quiet)
	s.mu.Lock()
	s.startTimer()
	s.mu.Unlock()
	s.lookUnheld() // its identity may have expired before the bell was there
	return nil
}
