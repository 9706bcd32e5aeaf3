package redisbroker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// line is a connection that hears topics. It speaks RESP2, in which all that comes is
// arrays of texts and numbers: the client library would keep a second copy of all
// subscriptions, and a line is read whatever its user is doing.
type line struct {
	address string
	nc      net.Conn
	dead    chan struct{} // closed when it cannot be used any more
	err     error         // why; to be read after dead is closed
	once    sync.Once

	heard atomic.Int64           // when something came last, in Unix nanoseconds
	pongs chan string            // answers to PING
	fault atomic.Pointer[string] // the last error that the server answered

	writing sync.Mutex
	out     []byte
}

// dial connects to a server, as the user that the Broker is.
func (of *listener) dial(address string) (*line, error) {
	b := of.b
	ctx, cancel := context.WithTimeout(of.ctx, callTimeout)
	defer cancel()
	option := b.clientOption()
	nc, err := b.dial(ctx, address, &option.Dialer, option.TLSConfig)
	if err != nil {
		return nil, err
	}
	l := &line{address: address, nc: nc, dead: make(chan struct{}), pongs: make(chan string, 4)}
	l.heard.Store(time.Now().UnixNano())
	_ = nc.SetDeadline(time.Now().Add(callTimeout))
	r := bufio.NewReaderSize(nc, 64<<10)
	hello := func(command ...string) error {
		if err := l.send(command); err != nil {
			return err
		}
		f, err := readFrame(r, &frame{})
		if err == nil && f.kind == '-' {
			err, _ = refusalOf(string(f.text))
		}
		return err
	}
	switch p := &b.place; {
	case p.user != "":
		err = hello("AUTH", p.user, p.password)
	case p.password != "":
		err = hello("AUTH", p.password)
	}
	if err == nil {
		_ = hello("CLIENT", "SETNAME", "godwit-listener") // for people; it may be forbidden
		err = hello("PING")
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	if !b.task(func() { l.readLoop(of, r) }) {
		nc.Close()
		return nil, hub.ErrClosed
	}
	return l, nil
}

// end makes the line unusable.
func (l *line) end(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.dead)
		l.nc.Close()
	})
}

// send writes commands.
func (l *line) send(commands ...[]string) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.out = l.out[:0]
	for _, words := range commands {
		l.out = append(strconv.AppendInt(append(l.out, '*'), int64(len(words)), 10), '\r', '\n')
		for _, word := range words {
			l.out = append(strconv.AppendInt(append(l.out, '$'), int64(len(word)), 10), '\r', '\n')
			l.out = append(append(l.out, word...), '\r', '\n')
		}
	}
	_ = l.nc.SetWriteDeadline(time.Now().Add(callTimeout))
	_, err := l.nc.Write(l.out)
	if cap(l.out) > 1<<20 {
		l.out = nil
	}
	return err
}

// readLoop hears until the line is dead.
func (l *line) readLoop(of *listener, r *bufio.Reader) {
	b := of.b
	var room frame
	for {
		f, err := readFrame(r, &room)
		if err != nil {
			l.end(err)
			return
		}
		l.heard.Store(time.Now().UnixNano())
		switch {
		case f.kind == '-':
			text := string(f.text)
			l.fault.Store(&text)
		case f.kind == '$' || f.kind == '+': // a PING before anything was subscribed to
			l.pong(string(f.text))
		case len(f.items) == 2 && string(f.items[0]) == "pong":
			l.pong(string(f.items[1]))
		case len(f.items) == 3 && (string(f.items[0]) == "message" || string(f.items[0]) == "smessage"):
			b.hear(of, f.items[1], f.items[2])
		case len(f.items) == 4 && string(f.items[0]) == "pmessage":
			b.hear(of, f.items[2], f.items[3])
		case len(f.items) == 3 && string(f.items[0]) == "sunsubscribe":
			b.unsubscribed(string(f.items[1]), l)
		}
	}
}

func (l *line) pong(token string) {
	select {
	case l.pongs <- token:
	default: // nobody waits for so many
	}
}

// silence is how long nothing has come.
func (l *line) silence() time.Duration {
	return time.Since(time.Unix(0, l.heard.Load()))
}

// frame is something that a server says.
type frame struct {
	kind  byte     // + - : $ or *
	text  []byte   // of all but *
	items [][]byte // of *: each a text or a number

	head []byte // room for all items but the last
}

const (
	bulkBytesMax = 512 << 20 // of Redis, proto-max-bulk-len
	itemsMax     = 16
	lineBytesMax = 64 << 10
)

var errFrame = errors.New("redisbroker: the server says what is no RESP")

// readFrame reads what a server says on a line. It uses room; the last item of an array, and a
// text, are new memory, and the rest is overwritten by the next call.
func readFrame(r *bufio.Reader, room *frame) (*frame, error) {
	head, err := readHead(r)
	if err != nil {
		return nil, err
	}
	room.kind, room.text, room.items, room.head = head[0], nil, room.items[:0], room.head[:0]
	switch head[0] {
	case '+', '-', ':':
		room.text = append(room.text, head[1:]...)
		return room, nil
	case '$':
		room.text, err = readBulk(r, head, nil)
		return room, err
	case '*':
	default:
		return nil, errFrame
	}
	n, err := parseLength(head[1:])
	if err != nil || n > itemsMax {
		return nil, errFrame
	}
	for i := range n {
		if head, err = readHead(r); err != nil {
			return nil, err
		}
		begin := len(room.head)
		switch {
		case head[0] == ':':
			room.head = append(room.head, head[1:]...)
		case head[0] != '$':
			return nil, errFrame
		case i == n-1:
			text, err := readBulk(r, head, nil)
			if err != nil {
				return nil, err
			}
			room.items = append(room.items, text)
			return room, nil
		default:
			if room.head, err = readBulk(r, head, room.head); err != nil {
				return nil, err
			}
		}
		room.items = append(room.items, room.head[begin:len(room.head):len(room.head)])
	}
	return room, nil
}

// readHead reads a line without its end.
func readHead(r *bufio.Reader) ([]byte, error) {
	head, err := r.ReadSlice('\n')
	if err != nil {
		if err == io.EOF && len(head) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	if len(head) < 3 || head[len(head)-2] != '\r' {
		return nil, errFrame
	}
	return head[:len(head)-2], nil
}

// parseLength is a length, -1 for what there is none of.
func parseLength(b []byte) (int, error) {
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil || n < -1 {
		return 0, errFrame
	}
	return int(n), nil
}

// readBulk appends a text whose head was read to dst. It takes memory as the text comes, and
// not as a length promises it.
func readBulk(r *bufio.Reader, head, dst []byte) ([]byte, error) {
	n, err := parseLength(head[1:])
	if err != nil || n > bulkBytesMax {
		return nil, errFrame
	}
	if n < 0 {
		return dst, nil
	}
	for left := n; left > 0; {
		part := min(left, 1<<20)
		if dst == nil && part == n {
			dst = make([]byte, 0, n)
		}
		begin := len(dst)
		dst = append(dst, make([]byte, part)...)
		if _, err := io.ReadFull(r, dst[begin:]); err != nil {
			return nil, unexpected(err)
		}
		left -= part
	}
	var end [2]byte
	if _, err := io.ReadFull(r, end[:]); err != nil {
		return nil, unexpected(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return nil, errFrame
	}
	return dst, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// lineError says what became of a line, in words for operators.
func lineError(address string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("redis: %s has closed the connection that listens", address)
	}
	said, _ := fateOf(err)
	return said
}
