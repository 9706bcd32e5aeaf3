package dialect

import (
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Stream is a channel, or all that a pattern matches, as a response that goes on until the client or the server
// leaves.
type Stream struct {
	listener
	format    *streamFormat
	channel   string
	from      *hub.SubscribeOptions // nil once it was asked for
	options   *StreamOptions
	opened    int64 // in nanoseconds of Unix time
	answered  bool
	isHead    bool      // only the head is wanted
	isPage    bool      // the client is a page in a browser
	issuedAt  int32     // the number that the last delay was drawn at, see StreamOptions.Reconnect
	heartbeat moment    // when the next one is due, 0 before the stream is open
	progress  *progress // nil unless it is of a pattern
}

// StreamOptions are the same for all streams of a server.
type StreamOptions struct {
	Heartbeat time.Duration // the silence after which the client is sent something

	// Epoch is a time of this process from which the deadlines of streams are counted, on
	// the clock that nobody sets. Default: 1970, on the clock on the wall.
	Epoch time.Time

	// Reconnect draws how long a client waits before it comes back. at says what the
	// delay was drawn for, and is given back with the next call for this client; it is
	// FirstDelay with the first one. A delay of 0 says that the last one is still right.
	Reconnect func(at int32) (delay time.Duration, drawnAt int32)
}

// FirstDelay is given to StreamOptions.Reconnect for a client that needs a new delay.
const FirstDelay = -1

// streamFormat is how such a response is written.
type streamFormat struct {
	transport    string
	contentType  string
	form         *hub.Form[[]byte]
	appendOpen   func(dst []byte, retry time.Duration, begin hub.Position) []byte
	appendGap    func(dst []byte, g *hub.Gap) []byte
	appendEnd    func(dst []byte, e ending) []byte
	appendBehind func(dst []byte, p *hub.Push, own string) []byte
	appendRetry  func(dst []byte, retry time.Duration) []byte // nil if clients are not told
	heartbeat    []byte

	// Of a pattern:
	patternForm       *hub.Form[[]byte]
	appendOpenPattern func(dst []byte, retry time.Duration, vector string) []byte
	appendChannelGap  func(dst []byte, channel string, g *hub.Gap) []byte
	appendID          func(dst []byte, vector string) []byte // before each event; nil for vectors of their own

	// endsWhenRefused opens and ends a stream that cannot be served now instead
	// of refusing it, for clients that come back after the one and give up for
	// good after the other.
	endsWhenRefused bool
}

// NewEvents returns the dialect of Server-Sent Events on channel, and NewLines
// that of a line of JSON each. They begin where from says; o is shared.
func NewEvents(channel string, from hub.SubscribeOptions, o *StreamOptions) *Stream {
	return &Stream{format: &events, channel: channel, from: &from, options: o, progress: newProgress(channel)}
}

// NewLines is described at NewEvents.
func NewLines(channel string, from hub.SubscribeOptions, o *StreamOptions) *Stream {
	return &Stream{format: &lines, channel: channel, from: &from, options: o, progress: newProgress(channel)}
}

// Transport implements Dialect.
func (s *Stream) Transport() string {
	if s.isHead {
		return "head"
	}
	return s.format.transport
}

// HeadOnly says that the request is a HEAD: its answer is the head of the stream.
func (s *Stream) HeadOnly() { s.isHead = true }

// ForPage says that the client is a page in a browser. An EventSource that may not
// subscribe is given a stream that says so: it gives up for good after any status
// but 200, and does not let its page see which it was.
func (s *Stream) ForPage() { s.isPage = true }

func (f *streamFormat) head() *Answer { return &Answer{Status: 200, ContentType: f.contentType} }

// EventsHead is the head of an event stream.
func EventsHead() *Answer { return events.head() }

// AppendRetry appends what tells an EventSource when to come back.
func AppendRetry(dst []byte, retry time.Duration) []byte {
	return appendEventOpen(dst, retry, hub.Position{})
}

// Channel is the channel that the stream is of.
func (s *Stream) Channel() string { return s.channel }

// Begin subscribes: the client sees its stream open when that is done.
func (s *Stream) Begin(now time.Time, out *Effects) {
	s.opened = now.UnixNano()
	if s.isHead {
		out.Commands = append(out.Commands, Command{Action: access.Subscribe, Tag: tagBegin, Channel: s.channel})
		return
	}
	out.Commands = append(out.Commands, Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: tagBegin, Channel: s.channel, Subscribe: *s.from})
	s.from = nil
}

// Push sends.
func (s *Stream) Push(now time.Time, pushes []hub.Push, out *Effects) {
	for i := range pushes {
		switch p := &pushes[i]; {
		case s.progress != nil && (p.Delivery != nil || p.Gap != nil):
			s.pushPattern(now, p, out)
		case p.Run != nil:
			b := hub.Join(s.format.form, p.Run)
			out.Frames = append(out.Frames, b)
			out.Delivered.AddRun(p.Run, len(b), s.opened)
		case p.Delivery != nil:
			b := s.format.form.Of(p.Delivery)
			out.Frames = append(out.Frames, b)
			out.Delivered.Add(p.Delivery.Publication, len(b), s.opened)
		case p.Gap != nil:
			out.Frames = append(out.Frames, s.format.appendGap(nil, p.Gap))
		case p.Behind != nil:
			out.Frames = append(out.Frames, s.format.appendBehind(nil, p, s.channel))
		default:
			s.answer(p.Outcome, out)
		}
		if out.Closing != nil {
			return
		}
	}
	if s.progress != nil && s.format.appendID == nil && len(out.Frames) > 0 && s.progress.isDue(now) {
		out.Frames = append(out.Frames, append(s.progress.appendObject(nil, now), '\n'))
	}
	if len(out.Frames) == 0 {
		return
	}
	// A stream that is never silent has no heartbeat to go with.
	next := now.Add(s.options.Heartbeat)
	if s.heartbeat != 0 && next.Unix()>>refreshShift != s.options.timeOf(s.heartbeat).Unix()>>refreshShift {
		s.refresh(out)
	}
	s.heartbeat = s.options.momentOf(next)
}

// TakesRuns implements RunTaker.
func (s *Stream) TakesRuns() bool { return s.progress == nil }

// refreshShift has a busy stream look every 16 seconds whether the client needs another
// delay: when the seconds of the clock pass a multiple of that.
const refreshShift = 4

// refresh tells the client when to come back, if what it was told is no longer right.
func (s *Stream) refresh(out *Effects) bool {
	if s.format.appendRetry == nil {
		return false
	}
	delay, at := s.options.Reconnect(s.issuedAt)
	if delay == 0 {
		return false
	}
	s.issuedAt = at
	out.Frames = append(out.Frames, s.format.appendRetry(nil, delay))
	return true
}

func (s *Stream) answer(o *hub.Outcome, out *Effects) {
	s.answered = true
	position := o.Position
	if o.Err != nil {
		out.Closing = &Closing{End: endOf(o.Err)}
		_, isRefusal := endingOf(o.Err)
		if !s.format.endsWhenRefused || isRefusal && (!s.isPage || s.isHead) {
			out.Answer = &Answer{Err: o.Err}
			return
		}
	}
	if position.Epoch == LostEpoch {
		position = hub.Position{}
	}
	out.Answer = s.format.head()
	if s.isHead {
		out.Closing = &Closing{End: EndClient}
		return
	}
	out.Answer.Position = position
	if e, ok := endingOf(o.Err); ok {
		out.Frames = append(out.Frames, s.format.appendEnd(nil, e))
		return
	}
	var delay time.Duration
	if s.format.appendRetry != nil {
		delay, s.issuedAt = s.options.Reconnect(FirstDelay)
	}
	if s.progress != nil && o.Vector != nil {
		s.openPattern(o.Vector, delay, out)
		return
	}
	out.Frames = append(out.Frames, s.format.appendOpen(nil, delay, position))
}

// End implements Dialect. The client comes back. A request that has no answer by
// then has the same one as a request that comes later.
func (s *Stream) End(reason error, out *Effects) {
	if !s.answered {
		s.answer(&hub.Outcome{Err: reason}, out)
		return
	}
	if e, ok := endingOf(reason); ok {
		out.Frames = append(out.Frames, s.format.appendEnd(nil, e))
	}
	out.Closing = &Closing{End: endOf(reason)}
	if out.Closing.End == EndShutdown && s.format.appendRetry != nil {
		// All clients are told this at about the same time.
		delay, _ := s.options.Reconnect(FirstDelay)
		out.Frames = append(out.Frames, s.format.appendRetry(nil, delay))
	}
}

// Deadline is when a heartbeat is due, or a vector.
func (s *Stream) Deadline() time.Time {
	if p := s.progress; p != nil && p.isNew && s.format.appendID == nil {
		if due := p.told.Add(vectorInterval); due.Before(s.options.timeOf(s.heartbeat)) {
			return due
		}
	}
	return s.options.timeOf(s.heartbeat)
}

// Expire sends a heartbeat, or a vector.
func (s *Stream) Expire(now time.Time, out *Effects) {
	if !s.refresh(out) {
		out.Frames = append(out.Frames, s.heartbeatOf(now))
	}
	s.heartbeat = s.options.momentOf(now.Add(s.options.Heartbeat))
}
