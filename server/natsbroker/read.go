package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/hub"
)

// stored is a message of the stream.
type stored struct {
	subject string
	seq     uint64
	time    time.Time
	meta    meta
	data    []byte
	pending uint64 // how many of the subject came after it, where that was asked for
}

// getRequest asks for messages of a stream.
type getRequest struct {
	Seq       uint64     `json:"seq,omitempty"`
	LastFor   string     `json:"last_by_subj,omitempty"`
	NextFor   string     `json:"next_by_subj,omitempty"`
	Batch     int        `json:"batch,omitempty"`
	MaxBytes  int        `json:"max_bytes,omitempty"`
	MultiLast []string   `json:"multi_last,omitempty"`
	StartTime *time.Time `json:"start_time,omitempty"`
}

// Header fields that the server adds.
const (
	headerSequence = "Nats-Sequence"
	headerPrevious = "Nats-Last-Sequence"
	headerTime     = "Nats-Time-Stamp"
	headerSubject  = "Nats-Subject"
	headerPending  = "Nats-Num-Pending"
	headerStatus   = "Status"
)

// batchBytesMax is how much is asked for at a time.
const batchBytesMax = 4 << 20

// parseContent reads what Godwit has put into a message. What others have put into the
// stream is a text, or else binary, and kept as long as the stream does.
func parseContent(h nats.Header, data []byte) meta {
	if values := h[metaHeader]; len(values) == 1 {
		if m, err := ParseMeta(values[0]); err == nil {
			return m
		}
	}
	m := meta{kind: hub.Text, count: countMax, age: 1<<63 - 1}
	if !utf8.Valid(data) {
		m.kind = hub.Binary
	}
	return m
}

func parseStored(m *nats.Msg) (stored, error) {
	h := m.Header
	seq, err := strconv.ParseUint(h.Get(headerSequence), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("natsbroker: a message of the stream without its number: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, h.Get(headerTime))
	if err != nil {
		return stored{}, fmt.Errorf("natsbroker: a message of the stream without its time: %w", err)
	}
	pending, _ := strconv.ParseUint(h.Get(headerPending), 10, 64) // absent where it was not asked for
	return stored{subject: h.Get(headerSubject), seq: seq, time: at.UTC(), meta: parseContent(h, m.Data), data: m.Data, pending: pending}, nil
}

func (b *Broker) publication(now *era, channel string, s *stored, previous uint64) *hub.Publication {
	return &hub.Publication{
		Channel: channel, Position: now.position(s.seq), Previous: previous, Time: s.time,
		Kind: s.meta.kind, Data: s.data, Publisher: s.meta.publisher, Attributes: s.meta.attributes,
	}
}

// replies are requests that have several answers.
type replies struct {
	mu      sync.Mutex // guards what follows
	last    uint64
	waiting map[uint64]chan *nats.Msg
}

func (r *replies) init() { r.waiting = make(map[uint64]chan *nats.Msg) }

func (r *replies) expect(n int) (uint64, chan *nats.Msg) {
	c := make(chan *nats.Msg, n)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.waiting[r.last] = c
	return r.last, c
}

func (r *replies) forget(token uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, token)
}

// The kinds of inboxes.
const (
	ackToken   = "a."
	replyToken = "r."
)

// subscribeInboxes has answers come to loops of the broker.
func (b *Broker) subscribeInboxes() error {
	answers := make(chan *nats.Msg, waitingMax)
	for token, c := range map[string]chan *nats.Msg{ackToken: b.acks, replyToken: answers} {
		if _, err := b.nc.ChanSubscribe(b.names.inbox+token+"*", c); err != nil {
			return err
		}
	}
	b.loops.Go(func() {
		b.each(b.acks, func(m *nats.Msg) { b.acknowledged(m.Subject[len(b.names.inbox)+len(ackToken):], m) })
	})
	b.loops.Go(func() {
		b.each(answers, func(m *nats.Msg) { b.replies.answered(m.Subject[len(b.names.inbox)+len(replyToken):], m) })
	})
	return nil
}

// each calls do with everything that comes, until the broker is closed.
func (b *Broker) each(c <-chan *nats.Msg, do func(*nats.Msg)) {
	for {
		select {
		case m := <-c:
			if m.Subject == "" {
				b.fence.Load().pass(m)
				continue
			}
			do(m)
		case <-b.stop.Done():
			return
		}
	}
}

// fence is a message that no server sends: when it is taken, all before it have been.
type fence struct {
	m      *nats.Msg
	passed chan struct{} // has room for all that pass it
}

func (f *fence) pass(m *nats.Msg) {
	if f != nil && f.m == m { // an older one is waited for no longer
		f.passed <- struct{}{}
	}
}

// drain returns once everything was taken that had come from the stream before.
func (b *Broker) drain(ctx context.Context) error {
	queues := append(b.arrivals[:], b.acks)
	f := &fence{m: new(nats.Msg), passed: make(chan struct{}, len(queues))}
	b.fence.Store(f)
	for _, c := range queues {
		select {
		case c <- f.m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for range queues {
		select {
		case <-f.passed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (r *replies) answered(token string, m *nats.Msg) {
	n, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	r.mu.Lock()
	c := r.waiting[n]
	r.mu.Unlock()
	select {
	case c <- m: // nil if nobody waits any more
	default:
	}
}

// directError is an answer other than messages.
type directError struct{ status, text string }

func (e *directError) Error() string {
	return "natsbroker: reading the stream: NATS answers " + e.status + " " + e.text
}

// errNotServed is the answer when nobody serves the stream now.
var errNotServed = errors.New("natsbroker: no server serves the stream now")

// getDirect asks any server that has the stream for messages, with one request. left is how many more there
// are.
func (b *Broker) getDirect(ctx context.Context, r getRequest) (list []stored, left uint64, err error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, 0, err
	}
	token, answers := b.replies.expect(max(r.Batch, len(r.MultiLast)) + 2)
	defer b.replies.forget(token)
	reply := b.names.inbox + replyToken + strconv.FormatUint(token, 36)
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+b.names.stream, reply, data); err != nil {
		return nil, 0, err
	}
	timer := time.NewTimer(requestTime)
	defer timer.Stop()
	for {
		select {
		case m := <-answers:
			switch status := m.Header.Get(headerStatus); status {
			case "":
				s, err := parseStored(m)
				if err != nil {
					return nil, 0, err
				}
				list = append(list, s)
			case "204":
				left, _ = strconv.ParseUint(m.Header.Get(headerPending), 10, 64)
				return list, left, nil
			case "404":
				return list, 0, nil
			case "503":
				return nil, 0, errNotServed
			default:
				return nil, 0, &directError{status, m.Header.Get("Description")}
			}
		case <-timer.C:
			return nil, 0, errNotServed
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-b.stop.Done():
			return nil, 0, hub.ErrClosed
		}
	}
}

// get is getDirect, tried again while nobody serves the stream.
func (b *Broker) get(ctx context.Context, r getRequest) (list []stored, left uint64, err error) {
	err = b.persist(ctx, func() error {
		list, left, err = b.getDirect(ctx, r)
		return err
	})
	return list, left, err
}

// persist calls do until it succeeds or fails for good.
func (b *Broker) persist(ctx context.Context, do func() error) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		err := do()
		if err == nil || !isPassing(err) {
			return b.failed(err)
		}
		if err := b.pause(ctx, wait); err != nil {
			return err
		}
	}
}

// pause waits for d.
func (b *Broker) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return b.away(ctx.Err())
	case <-b.stop.Done():
		return hub.ErrClosed
	}
}

// isPassing reports whether what failed may succeed in a moment.
func isPassing(err error) bool {
	var api *apiError
	return errors.Is(err, errNotServed) || errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, nats.ErrDisconnected) || errors.As(err, &api) && api.isPassing()
}

// getFromLeader asks the leader of a stream for one message, nil if there is none: what
// was acknowledged is there.
func (b *Broker) getFromLeader(ctx context.Context, stream string, r getRequest) (*stored, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	answer, err := b.nc.RequestWithContext(limited, "$JS.API.STREAM.MSG.GET."+stream, data)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			err = errNotServed
		}
		return nil, err
	}
	return parseMessageGet(answer.Data)
}

func parseMessageGet(data []byte) (*stored, error) {
	var a struct {
		Error   *apiError `json:"error"`
		Message *struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("natsbroker: the answer of the stream is not readable: %w", err)
	}
	switch {
	case a.Error != nil && a.Error.ErrCode == codeNotFound:
		return nil, nil
	case a.Error != nil:
		return nil, a.Error
	case a.Message == nil:
		return nil, errors.New("natsbroker: the answer of the stream has no message")
	}
	s := &stored{subject: a.Message.Subject, seq: a.Message.Seq, time: a.Message.Time.UTC(), data: a.Message.Data}
	header, err := nats.DecodeHeadersMsg(a.Message.Header)
	if err != nil {
		header = nil // there is none
	}
	s.meta = parseContent(header, s.data)
	return s, nil
}

// newest is the newest message of a subject, nil if there is none.
func (b *Broker) newest(ctx context.Context, subject string) (s *stored, err error) {
	err = b.persist(ctx, func() error {
		if l := b.limits.Load(); l.replicas == 1 { // there is nobody but the leader
			list, _, err := b.getDirect(ctx, getRequest{MultiLast: []string{subject}})
			if s = nil; len(list) > 0 {
				s = &list[0]
			}
			return err
		}
		s, err = b.getFromLeader(ctx, b.names.stream, getRequest{LastFor: subject})
		return err
	})
	return s, err
}
