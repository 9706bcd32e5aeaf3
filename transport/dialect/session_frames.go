package dialect

import (
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// carried is what kind of carrier the session is on.
type carried uint8

const (
	carriedNot carried = iota
	carriedSocket
	carriedStream
	carriedPoll
)

// framing is how the objects of a session stand on its carrier.
type framing struct {
	carried     carried
	isCBOR      bool // the objects, which are JSON otherwise
	contentType string
	opening     []byte // with which a stream begins
	heartbeat   []byte // of a stream

	publication *hub.Form[[]byte]
	message     *hub.Form[[]byte] // a publication to the user: {"message":…}
	deltas      *deltaForms[[]byte]
	wrap        func(dst, object []byte) []byte

	// Of a WebSocket that compresses: they stand in Effects.Messages.
	prepared        *hub.Form[*driver.Prepared]
	preparedMessage *hub.Form[*driver.Prepared]
	preparedDeltas  *deltaForms[*driver.Prepared]
}

var (
	socketFraming = framing{carried: carriedSocket, publication: formEnvelope, message: formMessageFrame, deltas: deltaFrames, wrap: appendTextFrame}
	cborFraming   = framing{
		carried: carriedSocket, isCBOR: true, publication: formFrameCBOR, message: formMessageFrameCBOR, deltas: deltaFramesCBOR, wrap: appendBinaryFrame,
	}
	compressedFraming = framing{carried: carriedSocket, prepared: formEnvelopeMessage, preparedMessage: formMessagePrepared, preparedDeltas: deltaPrepared}
	lineFraming       = framing{
		carried: carriedStream, contentType: lines.contentType, opening: []byte("{}\n"), heartbeat: lines.heartbeat,
		publication: formLine, message: formMessageLine, deltas: deltaLines,
		wrap: func(dst, object []byte) []byte { return append(append(dst, object...), '\n') },
	}
	eventFraming = framing{
		carried: carriedStream, contentType: events.contentType, opening: []byte(":\n\n"), heartbeat: events.heartbeat,
		publication: formObjectEvent, message: formMessageEvent, deltas: deltaEvents, wrap: appendObjectEvent,
	}
	pollFraming = framing{
		carried: carriedPoll, publication: formObject, message: formMessageObject, deltas: deltaObjects,
		wrap: func(dst, object []byte) []byte { return append(dst, object...) },
	}

	// noFraming is of a session without a carrier, which sends nothing.
	noFraming = framing{publication: formEnvelope, message: formMessageFrame, deltas: deltaFrames, wrap: appendTextFrame}
)

// The forms of a publication that only sessions have.
var (
	formObject           = hub.NewForm(encodeObject)
	formObjectEvent      = hub.NewForm(func(p *hub.Publication) []byte { return appendObjectEvent(nil, encodeObject(p)) })
	formFrameCBOR        = hub.NewForm(func(p *hub.Publication) []byte { return encodeCBOR(p, false) })
	formMessageFrameCBOR = hub.NewForm(func(p *hub.Publication) []byte { return encodeCBOR(p, true) })
	formMessageObject    = hub.NewForm(encodeMessage)
	formMessageFrame     = hub.NewForm(func(p *hub.Publication) []byte { return appendTextFrame(nil, encodeMessage(p)) })
	formMessagePrepared  = hub.NewForm(func(p *hub.Publication) *driver.Prepared { return prepareText(encodeMessage(p)) })
	formMessageLine      = hub.NewForm(func(p *hub.Publication) []byte { return append(encodeMessage(p), '\n') })
	formMessageEvent     = hub.NewForm(func(p *hub.Publication) []byte { return appendObjectEvent(nil, encodeMessage(p)) })
)

func encodeObject(p *hub.Publication) []byte {
	return appendEnvelope(make([]byte, 0, envelopeSize(p)), p)
}

// encodeMessage is a publication in the channel of a user.
func encodeMessage(p *hub.Publication) []byte {
	dst := append(make([]byte, 0, envelopeSize(p)), `{"message":`...)
	return append(appendEnvelope(dst, p), '}')
}

// encodeCBOR is a frame with an envelope, or with {"message":…}.
func encodeCBOR(p *hub.Publication, isMessage bool) []byte {
	w := writer{b: make([]byte, 0, len(p.Data)+len(p.Channel)+64), isCBOR: true}
	if isMessage {
		outer := w.begin()
		w.name(clientproto.KeyMessage)
		w.envelope(p)
		w.end(outer)
	} else {
		w.envelope(p)
	}
	return appendBinaryFrame(nil, w.b)
}

// appendBinaryFrame appends payload as a whole unmasked binary frame.
func appendBinaryFrame(dst, payload []byte) []byte {
	return wire.AppendFrame(dst, true, wire.Binary, payload)
}

// encoded are the objects of changes of members, made once for each encoding.
func (f *framing) encoded(c *hub.Changes) [][]byte {
	if f.isCBOR {
		return c.Encoded(1, encodeChangesCBOR)
	}
	return c.Encoded(0, encodeChanges)
}

// appendObjectEvent appends an object, which has no line end, as the data of an event.
func appendObjectEvent(dst, object []byte) []byte {
	dst = append(dst, "data: "...)
	dst = append(dst, object...)
	return append(dst, "\n\n"...)
}

// send sends an object that is no publication.
func (s *Session) send(object []byte, out *Effects) {
	f := s.framing
	if f.prepared != nil {
		out.Messages = append(out.Messages, prepareText(object))
		return
	}
	s.sendFrame(f.wrap(make([]byte, 0, len(object)+wire.HeaderBytesMax), object), out)
}

// sendObject sends an object with the members that encode writes. It has the writer by
// value, which so needs no memory of its own.
func (s *Session) sendObject(out *Effects, encode func(w writer) writer) {
	s.send(encodeMembers(s.framing.isCBOR, encode), out)
}

// encodeMembers returns an object with the members that encode writes.
func encodeMembers(isCBOR bool, encode func(w writer) writer) []byte {
	w := writer{b: make([]byte, 0, 128), isCBOR: isCBOR}
	outer := w.begin()
	w = encode(w)
	w.end(outer)
	return w.b
}

// sendEnd sends {"end":…}.
func (s *Session) sendEnd(e *ending, out *Effects) {
	s.sendObject(out, func(w writer) writer {
		w.name(clientproto.KeyEnd)
		w.ending(e)
		return w
	})
}

func (s *Session) sendFrame(frame []byte, out *Effects) {
	if s.poll != nil {
		s.poll.pending = append(s.poll.pending, frame)
		return
	}
	out.Frames = append(out.Frames, frame)
}

// deliver sends a publication.
func (s *Session) deliver(p *hub.Push, out *Effects) {
	f := s.framing
	isMessage := s.messages != "" && p.Channel == s.messages
	last := s.deltas[p.Delivery.Channel] // nil for a session without deltas
	if f.prepared != nil {
		form := f.prepared
		if isMessage {
			form = f.preparedMessage
		}
		var m *driver.Prepared
		if last == nil {
			m = form.Of(p.Delivery)
		} else {
			m = f.preparedDeltas.of(p.Delivery, last)
		}
		out.Messages = append(out.Messages, m)
		out.Delivered.Add(p.Delivery.Publication, len(m.Frame()), s.opened)
		return
	}
	form := f.publication
	if isMessage {
		form = f.message
	}
	var frame []byte
	if last == nil {
		frame = form.Of(p.Delivery)
	} else {
		frame = f.deltas.of(p.Delivery, last)
	}
	s.sendFrame(frame, out)
	out.Delivered.Add(p.Delivery.Publication, len(frame), s.opened)
}

// TakesRuns implements RunTaker.
func (s *Session) TakesRuns() bool {
	return s.poll == nil && s.framing.publication != nil && !s.FollowsPatterns()
}

// deliverRun sends several publications of one channel.
func (s *Session) deliverRun(p *hub.Push, out *Effects) {
	f := s.framing
	form := f.publication
	switch {
	case s.deltas[p.Channel] != nil: // each is the base of the next
		for _, d := range p.Run.Deliveries {
			s.deliver(&hub.Push{Channel: p.Channel, Delivery: d}, out)
		}
		return
	case s.messages != "" && p.Channel == s.messages:
		form = f.message
	}
	frames := hub.Join(form, p.Run)
	s.sendFrame(frames, out)
	out.Delivered.AddRun(p.Run, len(frames), s.opened)
}

// pages are the state of a session that is polled. Each answer is a page with a number;
// it is kept until the client has said that it has it, so that an answer that was lost
// on its way is given again.
//
//	{"poll":3,"messages":[{…},{…}]}
type pages struct {
	wait    time.Duration
	until   time.Time // when an empty page is answered
	number  uint64    // of the newest page
	sent    [][]byte  // the objects in it, nil once the client has them
	pending [][]byte
}

// page is the number of the newest page that the session has sent, on any carrier.
func (s *Session) page() uint64 {
	if s.poll != nil {
		return s.poll.number
	}
	return s.pages
}

func (s *Session) setPage(number uint64) {
	if s.poll != nil {
		s.poll.number = number
	} else {
		s.pages = number
	}
}

// begin answers at once if the client has not received the newest page.
func (p *pages) begin(now time.Time, out *Effects) {
	p.until = now.Add(p.wait)
	if p.sent != nil {
		p.give(out)
		out.Closing = &Closing{End: EndClient}
	}
}

// answerPoll answers when there is something, or the time is over.
func (s *Session) answerPoll(now time.Time, out *Effects) {
	p := s.poll
	if out.Closing != nil || s.phase == phaseConnecting || len(p.pending) == 0 && now.Before(p.until) {
		return
	}
	p.answer(out)
	out.Closing = &Closing{End: EndClient}
}

// repliesLinger is how long replies to a poll wait for those to the commands that came
// with theirs.
const repliesLinger = 10 * time.Millisecond

// answerReplies has a poll answered with replies that are made without the hub: no push
// comes for them.
func (s *Session) answerReplies(now time.Time, out *Effects) {
	switch {
	case s.poll == nil || len(s.poll.pending) == 0 || s.phase == phaseConnecting:
	case len(out.Commands) == 0:
		s.answerPoll(now, out)
	default:
		s.linger(now, out)
	}
}

// linger has a poll answered soon, if there is something to answer it with.
func (s *Session) linger(now time.Time, out *Effects) {
	if len(s.poll.pending) > 0 && out.Closing == nil && s.poll.until.After(now.Add(repliesLinger)) {
		s.poll.until = now.Add(repliesLinger)
		s.rest(now)
	}
}

// answer makes a page of the publications there are.
func (p *pages) answer(out *Effects) {
	p.number++
	p.sent, p.pending = p.pending, nil
	p.give(out)
}

// give answers with the newest page.
func (p *pages) give(out *Effects) { givePage(p.number, p.sent, out) }

func givePage(number uint64, objects [][]byte, out *Effects) {
	size := 64
	for _, object := range objects {
		size += len(object) + 1
	}
	page := make([]byte, 0, size)
	page = append(page, `{"poll":`...)
	page = appendUint(page, number)
	page = append(page, `,"messages":[`...)
	for i, object := range objects {
		if i > 0 {
			page = append(page, ',')
		}
		page = append(page, object...)
	}
	out.Answer = &Answer{Status: 200, ContentType: "application/json", IsWhole: true}
	out.Frames = append(out.Frames, append(page, "]}\n"...))
}
