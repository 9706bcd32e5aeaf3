package dialect

import (
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// A conversation about a pattern names the channel of everything, and where the client
// may go on is a vector, see hub.Vector: the id of each Server-Sent Event, which has an
// envelope as its data, and {"vector":…} among lines and messages.
//
//	id: AZf…
//	event: position
//	data: AZf…
//
//	id: AZf…
//	data: {"channel":"chat/1","position":"f3Zb:17","time":"…","data":"hello"}
//
//	id: AZf…
//	event: gap
//	data: {"channel":"chat/1","from":"f3Zb:17","to":"f3Zb:40"}
//
//	:
//	id: AZf…

// The bounds of a vector that a client is told: as Last-Event-ID it has to fit into the
// head of a request.
const (
	VectorChannelsMax  = 64
	VectorTextBytesMax = 4 << 10
)

// vectorInterval is how often a vector stands among lines and messages at most.
const vectorInterval = time.Second

// progress follows what a client is given of a pattern. The nil progress is that of a
// conversation about one channel.
type progress struct {
	tracker  *hub.VectorTracker
	isBehind bool      // something may follow that is older than what was given
	isLost   bool      // the client had a vector that makes no sense
	isNew    bool      // the client has not been told of the newest vector
	told     time.Time // when it was told of the last one
}

// newProgress returns the progress of a conversation about channel.
func newProgress(channel string) *progress {
	if !hub.IsPattern(channel) {
		return nil
	}
	return new(progress)
}

// begin begins where an outcome says.
func (p *progress) begin(v *hub.Vector) {
	p.tracker = hub.NewVectorTracker(v, VectorChannelsMax, VectorTextBytesMax)
}

// note notes what the client is given.
func (p *progress) note(push *hub.Push) {
	switch {
	case push.Delivery != nil && p.isBehind:
		p.tracker.Note(push.Channel, push.Delivery.Position, time.Time{})
	case push.Delivery != nil:
		p.tracker.Note(push.Channel, push.Delivery.Position, push.Delivery.Time)
	case push.Gap != nil && !push.Gap.To.IsZero():
		p.tracker.Note(push.Channel, push.Gap.To, time.Time{})
	}
	p.isNew = true
}

// noteTime notes that nothing was published until now, if the client has everything.
func (p *progress) noteTime(now time.Time) {
	if !p.isBehind {
		p.tracker.NoteTime(now)
	}
}

// FollowsPatterns implements Follower.
func (p *progress) FollowsPatterns() bool { return p != nil }

// SetCaughtUp implements Follower.
func (p *progress) SetCaughtUp(hasCaughtUp bool) {
	p.isBehind = !hasCaughtUp
	if hasCaughtUp && p.tracker != nil && p.tracker.NoteCaughtUp() {
		p.isNew = true // or the client would be given the newest again
	}
}

// isDue reports whether the client is to be told of a vector among lines or messages.
func (p *progress) isDue(now time.Time) bool {
	return p.isNew && !now.Before(p.told.Add(vectorInterval))
}

// appendObject appends {"vector":"…"}.
func (p *progress) appendObject(dst []byte, now time.Time) []byte {
	p.isNew, p.told = false, now
	dst = append(dst, `{"vector":"`...)
	dst = append(dst, p.tracker.String()...)
	return append(dst, `"}`...)
}

// pushPattern is Push for one push of a pattern.
func (s *Stream) pushPattern(now time.Time, p *hub.Push, out *Effects) {
	s.progress.note(p)
	if s.format.appendID != nil {
		out.Frames = append(out.Frames, s.format.appendID(nil, s.progress.tracker.String()))
	}
	if p.Gap != nil {
		out.Frames = append(out.Frames, s.format.appendChannelGap(nil, p.Channel, p.Gap))
		return
	}
	b := s.format.patternForm.Of(p.Delivery)
	out.Frames = append(out.Frames, b)
	out.Delivered.Add(p.Delivery.Publication, len(b), s.opened)
}

// openPattern begins a stream of a pattern.
func (s *Stream) openPattern(v *hub.Vector, retry time.Duration, out *Effects) {
	s.progress.begin(v)
	text := s.progress.tracker.String()
	out.Answer.Vector = text
	out.Frames = append(out.Frames, s.format.appendOpenPattern(nil, retry, text))
	if s.progress.isLost {
		out.Frames = append(out.Frames, s.format.appendChannelGap(nil, s.channel, &hub.Gap{}))
	}
}

// heartbeatOf returns the heartbeat after a silence: on a pattern with a vector of that moment.
func (s *Stream) heartbeatOf(now time.Time) []byte {
	if s.progress == nil || s.progress.tracker == nil {
		return s.format.heartbeat
	}
	s.progress.noteTime(now)
	if s.format.appendID != nil {
		return append(s.format.appendID([]byte(":\n"), s.progress.tracker.String()), '\n')
	}
	return append(s.progress.appendObject(nil, now), '\n')
}

// LostVector says that the client had a vector that cannot be read: it is told of a gap.
func (s *Stream) LostVector() { s.progress.isLost = true }

// appendVectorID appends the id field of an event. A vector has no character that could
// end the line.
func appendVectorID(dst []byte, vector string) []byte {
	dst = append(dst, "id: "...)
	dst = append(dst, vector...)
	return append(dst, '\n')
}

func appendEventOpenPattern(dst []byte, retry time.Duration, vector string) []byte {
	dst = appendRetry(dst, retry)
	dst = appendVectorID(dst, vector)
	dst = append(dst, "event: position\ndata: "...)
	dst = append(dst, vector...)
	return append(dst, "\n\n"...)
}

func appendEventChannelGap(dst []byte, channel string, g *hub.Gap) []byte {
	dst = append(dst, "event: gap\ndata: "...)
	dst = appendChannelGap(dst, channel, g)
	return append(dst, "\n\n"...)
}

func appendLineOpenPattern(dst []byte, _ time.Duration, vector string) []byte {
	dst = append(dst, `{"vector":"`...)
	dst = append(dst, vector...)
	return append(dst, "\"}\n"...)
}

func appendLineChannelGap(dst []byte, channel string, g *hub.Gap) []byte {
	return append(appendChannelGapObject(dst, channel, g), '\n')
}

// appendChannelGapObject appends {"gap":{"channel":…,"from":…,"to":…}}.
func appendChannelGapObject(dst []byte, channel string, g *hub.Gap) []byte {
	dst = append(dst, `{"gap":`...)
	return append(appendChannelGap(dst, channel, g), '}')
}

// appendChannelGap is appendGap with the channel that it is in.
func appendChannelGap(dst []byte, channel string, g *hub.Gap) []byte {
	dst = append(dst, `{"channel":`...)
	dst = jsontext.AppendString(dst, channel)
	dst = append(dst, ',')
	return append(dst, appendGap(nil, g)[len("{"):]...)
}

// encodePatternEvent is a Server-Sent Event, without its id, that names its channel: the
// envelope has no line end.
func encodePatternEvent(p *hub.Publication) []byte {
	dst := append(make([]byte, 0, envelopeSize(p)), "data: "...)
	return append(appendEnvelope(dst, p), "\n\n"...)
}

// pushPattern is Push for one push of a pattern, and a vector after the last one.
func (s *Socket) pushPattern(p *hub.Push, out *Effects) {
	s.progress.note(p)
	if p.Gap != nil {
		s.sendText(appendChannelGapObject(nil, p.Channel, p.Gap), out)
	}
}

// refusePublish tells the client of a pattern that its publication names no channel.
func (s *Socket) refusePublish(out *Effects) {
	e := ending{code: clientproto.CloseBadFrame, reason: "a pattern is no channel that could be published in; POST to the channel, or open a WebSocket on it"}
	s.sendText(e.appendError(nil), out)
}
