package flight

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Question asks what became of one publication for a session, or for all sessions of a
// user. Exactly one of Session and User is set.
type Question struct {
	Session  string
	User     string
	Channel  string
	Position hub.Position

	// OnlyChannel is for a caller that may know of the channel and nothing else: sessions that have
	// had nothing to do with it are not spoken of.
	OnlyChannel bool
}

// Outcome is what became of a publication for somebody. The words are those of answers.
type Outcome string

// The outcomes. That a publication was given says that it was handed to a connection: not
// that it has arrived, or that anybody has seen it.
const (
	Given         Outcome = "given"
	Waiting       Outcome = "waiting"        // it is on its way
	Filtered      Outcome = "filtered"       // it was left out on purpose
	Lost          Outcome = "lost"           // the rest are gaps, by their hub.GapReason
	Expired       Outcome = "expired"        //
	Conflated     Outcome = "conflated"      //
	Dropped       Outcome = "dropped"        //
	Rate          Outcome = "rate"           //
	Ended         Outcome = "ended"          // the connection had ended, or was lost, before
	Offline       Outcome = "offline"        // there was no session yet
	Denied        Outcome = "denied"         // it was not allowed to subscribe
	NotSubscribed Outcome = "not-subscribed" // it was not subscribed, not yet or not any more
	NotPublished  Outcome = "not-published"  // there is no such publication
	Unknown       Outcome = "unknown"        // the Recorder does not remember
)

// Outcomes returns all of them, what comes first being what is said of a user whose
// sessions differ. The caller owns the slice.
func Outcomes() []Outcome {
	return []Outcome{Given, Waiting, Filtered, Expired, Conflated, Dropped, Rate, Lost, Unknown, Ended, Denied, NotSubscribed, Offline, NotPublished}
}

// Existence is what the history says of a position.
type Existence uint8

// What there is at a position.
const (
	ExistenceUnknown Existence = iota // the history does not hold it any more, or cannot be read
	Exists                            //
	Hole                              // nothing was ever published there
	Future                            // nothing has been published there yet
	OtherEpoch                        // the history that it belonged to is gone
)

// Answer is what a Question is answered.
type Answer struct {
	Question

	At      time.Time // when it was asked
	Outcome Outcome
	Text    string // a sentence or a few, for people

	Existence   Existence
	Newest      hub.Position     // of the channel, zero if it is not known
	Publication *hub.Publication // what there is at the position, nil if it is not known

	// Sessions are those of which something is known, the newest first, and Left how many
	// more there are.
	Sessions []Session
	Left     int

	// Refusals are those to subscribe that name no session.
	Refusals []Event

	// KnownSince is how far the memory reaches back.
	KnownSince time.Time
}

// Session is an Answer for one session.
type Session struct {
	ID        string
	User      string
	Transport string
	IsOpen    bool
	Outcome   Outcome
	Text      string
	Events    []Event // of the session and of this channel, oldest first
}

// SessionsMax is how many sessions an Answer has at most.
const SessionsMax = 50

// Explain says what became of a publication. The sessions open now are those of h. It
// waits for the Broker, so it is not for an event loop. The error is a *hub.NameError, that
// of ctx, or one of hub.Hub.History.
func (r *Recorder) Explain(ctx context.Context, h *hub.Hub, q Question) (*Answer, error) {
	if err := hub.CheckChannel(q.Channel); err != nil {
		return nil, err
	}
	a := &Answer{Question: q, At: r.now()}
	f := &finding{answer: a, recorder: r, stories: make(map[string]*story)}
	for range gatherMax {
		f.gather(h)
		if !f.isChanging() {
			break
		}
		runtime.Gosched()
	}
	if err := f.readHistory(ctx, h); err != nil {
		return nil, err
	}
	f.tell()
	return a, nil
}

// gatherMax is how often everything is read, where something changes meanwhile.
const gatherMax = 5

// finding is an Answer while it is made.
type finding struct {
	answer   *Answer
	recorder *Recorder
	user     string // whose the sessions are, "" if it is not known
	stories  map[string]*story

	floor  int64   // see ring.scan
	visits []visit // of the user
}

// clockSkew is by how much later than something that was recorded a publication has to be
// to count as later: its time may be that of another clock.
const clockSkew = 2 * time.Second

// isRecent reports whether the publication is newer than all that was forgotten: nothing
// that became of it was.
func (f *finding) isRecent() bool {
	p := f.answer.Publication
	return f.floor == 0 || p != nil && p.Time.UnixNano() > f.floor+int64(f.recorder.skew)
}

// isChanging reports whether a subscription is in the middle of a turn.
func (f *finding) isChanging() bool {
	for _, st := range f.stories {
		if slices.ContainsFunc(st.paths, (*path).isChanging) {
			return true
		}
	}
	return false
}

// visit is when a session of the user opened.
type visit struct {
	session string
	at      int64
}

// story is the known history of a session.
type story struct {
	id, user, transport string

	opened, closed, disconnected *Event // nil if it has not happened or was forgotten
	suspended                    *Event // while it has no connection
	waits                        []wait // times without a connection that are over, oldest first
	isOpen                       bool
	isKnown                      bool    // nothing of it was forgotten
	paths                        []*path // by since
	refused                      *Event  // the newest refusal to subscribe
	events                       []Event
	patterns                     []string // of an open one, that match the channel
	matching                     []Event  // of subscriptions to patterns that match the channel
	spans                        []*span  // what these say, oldest first
}

// wait is a time in which a session had no connection and waited to be resumed.
type wait struct{ lost, resumed *Event }

// gather reads everything that bears on the question. The order matters: how far
// subscriptions have come is read first, and then the gaps that may lie before that. The
// history comes later, which has whatever was given.
func (f *finding) gather(h *hub.Hub) {
	q := &f.answer.Question
	f.user, f.visits, f.answer.Refusals = q.User, nil, nil
	clear(f.stories)
	live := make(map[string]*hub.SubscriptionState)
	for _, s := range h.Sessions() {
		user := cut(userOf(s))
		if s.ID() != q.Session && (q.User == "" || user != cut(q.User)) {
			continue
		}
		if f.user == "" {
			f.user = user
		}
		f.stories[s.ID()] = &story{id: s.ID(), user: user, transport: s.Transport(), isOpen: true, patterns: patternsOf(s, q.Channel)}
		if state, ok := stateOf(s, q.Channel); ok {
			live[s.ID()] = &state
		}
	}
	f.find()
	f.floor = f.recorder.turns.scan(f.read)
	f.recorder.refusals.scan(f.readRefusal)
	f.answer.KnownSince = f.recorder.began.UTC()
	if f.floor > 0 {
		f.answer.KnownSince = timeOf(f.floor)
	}
	for id, st := range f.stories {
		st.finish(f.floor, live[id])
	}
	if q.OnlyChannel {
		f.keepToChannel()
	}
}

// keepToChannel forgets the sessions that have had nothing to do with the channel.
func (f *finding) keepToChannel() {
	for id, st := range f.stories {
		if len(st.paths) == 0 && len(st.spans) == 0 && !slices.ContainsFunc(st.events, func(e Event) bool { return e.Kind == Refused }) {
			delete(f.stories, id)
		}
	}
	f.visits = slices.DeleteFunc(f.visits, func(v visit) bool { return f.stories[v.session] == nil })
}

// stateOf is s.Subscription, at a moment that is not in the middle of a gap.
func stateOf(s *hub.Session, channel string) (state hub.SubscriptionState, ok bool) {
	for range 1000 {
		if state, ok = s.Subscription(channel); !state.IsGapping {
			break
		}
		runtime.Gosched()
	}
	return state, ok
}

// find finds the sessions that the question is about and are over.
func (f *finding) find() {
	q := &f.answer.Question
	user := cut(q.User)
	f.recorder.turns.scan(func(r *record) {
		isAsked := q.Session != "" && string(r.session) == q.Session
		if q.User != "" && string(r.user) == user {
			isAsked = true
		}
		if !isAsked {
			return
		}
		if f.user == "" {
			f.user = string(r.user)
		}
		if f.stories[string(r.session)] == nil {
			f.stories[string(r.session)] = &story{id: string(r.session)}
		}
	})
}

// read reads an event.
func (f *finding) read(r *record) {
	if r.kind == Opened && f.user != "" && string(r.user) == cut(f.user) {
		f.visits = append(f.visits, visit{string(r.session), r.time})
	}
	st := f.stories[string(r.session)]
	if st == nil {
		return
	}
	if len(r.channel) > 0 && string(r.channel) != f.answer.Channel {
		if matches(string(r.channel), f.answer.Channel) {
			st.matching = append(st.matching, r.event())
		}
		return
	}
	st.events = append(st.events, r.event())
}

// readRefusal reads a refusal.
func (f *finding) readRefusal(r *record) {
	if string(r.channel) != f.answer.Channel {
		return
	}
	if st := f.stories[string(r.session)]; st != nil {
		st.events = append(st.events, r.event())
		return
	}
	if len(r.session) == 0 && f.answer.User != "" && string(r.user) == cut(f.answer.User) {
		if e := r.event(); e.Action == access.Subscribe {
			f.answer.Refusals = append(f.answer.Refusals, e)
		}
	}
}

// finish puts the events of a session in their places.
func (st *story) finish(floor int64, live *hub.SubscriptionState) {
	slices.SortStableFunc(st.events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	paths := make(map[int64]*path)
	of := func(since time.Time) *path {
		p := paths[since.UnixNano()]
		if p == nil {
			p = &path{since: since}
			paths[since.UnixNano()] = p
			st.paths = append(st.paths, p)
		}
		return p
	}
	for i := range st.events {
		switch e := &st.events[i]; e.Kind {
		case Opened:
			st.opened, st.user, st.transport = e, e.User, e.Transport
		case Closed:
			st.closed, st.user = e, e.User
		case Disconnected:
			st.disconnected = e
		case Suspended:
			if d := st.disconnected; e.Code == 0 && e.Reason == "" && d != nil { // which has come just before
				e.Code, e.Reason = d.Code, d.Reason
			}
			st.suspended = e
		case Resumed:
			if st.suspended != nil {
				st.waits = append(st.waits, wait{st.suspended, e})
			}
			st.suspended, st.disconnected, st.transport = nil, nil, e.Transport
		case Refused:
			if e.Action == access.Subscribe {
				st.refused = e
			}
		case Subscribed:
			p := of(e.Since)
			if p.excludesOwn = e.ExcludesOwn; p.began == nil || isEarlier(e.Position, p.began.Position) {
				p.began = e // else the session was resumed, and goes on from where it was
			}
		case Gapped:
			p := of(e.Since)
			p.gaps = append(p.gaps, e)
		case Unsubscribed:
			p := of(e.Since)
			p.ended, p.excludesOwn = e, e.ExcludesOwn
		}
	}
	if live != nil {
		p := of(live.Since)
		p.live, p.excludesOwn = live, live.ExcludesOwn
	}
	st.span()
	st.isKnown = st.opened != nil && st.opened.Time.UnixNano() > floor
	for _, p := range st.paths {
		p.isKnown = st.isKnown || p.since.UnixNano() > floor
		p.isOld = p.since.UnixNano() <= floor
	}
	slices.SortFunc(st.paths, func(a, b *path) int { return a.since.Compare(b.since) })
}

// isEarlier reports whether a is before b, of one epoch.
func isEarlier(a, b hub.Position) bool { return a.Epoch == b.Epoch && a.Offset < b.Offset }

// readHistory finds out what there is at the position.
func (f *finding) readHistory(ctx context.Context, h *hub.Hub) error {
	a := f.answer
	at := a.Position
	page, err := h.History(ctx, a.Channel, hub.Query{Last: 1})
	if err != nil {
		return err
	}
	a.Newest = page.Position
	switch {
	case at.Epoch != page.Position.Epoch:
		a.Existence = OtherEpoch
		return nil
	case at.Offset > page.Position.Offset:
		a.Existence = Future
		return nil
	case at.Offset == 0:
		a.Existence = Hole
		return nil
	}
	page, err = h.History(ctx, a.Channel, hub.Query{Since: hub.Position{Epoch: at.Epoch, Offset: at.Offset - 1}, Limit: 1})
	if err != nil {
		return err
	}
	switch {
	case page.Gap != nil || len(page.Publications) == 0:
		a.Existence = ExistenceUnknown
	case page.Publications[0].Position == at:
		a.Existence, a.Publication = Exists, page.Publications[0]
	default:
		a.Existence = Hole
	}
	return nil
}

// tell makes sentences of it, and says it all in one outcome.
func (f *finding) tell() {
	a := f.answer
	if a.Existence == Hole || a.Existence == Future {
		a.Outcome, a.Text = NotPublished, f.existenceText()
		return
	}
	for _, st := range f.sorted() {
		if len(a.Sessions) == SessionsMax {
			a.Left++
			continue
		}
		s := Session{ID: st.id, User: st.user, Transport: st.transport, IsOpen: st.isOpen && st.closed == nil, Events: st.events}
		s.Outcome, s.Text = f.judge(st)
		a.Sessions = append(a.Sessions, s)
	}
	texts := []string{}
	if text := f.existenceText(); text != "" {
		texts = append(texts, text)
	}
	if len(a.Sessions) == 0 {
		var text string
		a.Outcome, text = f.judgeNobody()
		texts = append(texts, text)
	}
	for _, o := range Outcomes() {
		if a.Outcome == "" && slices.ContainsFunc(a.Sessions, func(s Session) bool { return s.Outcome == o }) {
			a.Outcome = o
		}
	}
	for _, s := range a.Sessions {
		texts = append(texts, s.Text)
	}
	if len(a.Sessions) > 0 && f.wasRefusedLater() {
		a.Outcome = Denied
		texts = append(texts, f.refusalText())
	}
	a.Text = strings.Join(texts, " ")
}

// wasRefusedLater reports whether there was no way to the publication, and one was refused
// after all sessions that are over.
func (f *finding) wasRefusedLater() bool {
	a := f.answer
	if len(a.Refusals) == 0 || a.Outcome != Ended && a.Outcome != NotSubscribed && a.Outcome != Offline {
		return false
	}
	at := a.Refusals[len(a.Refusals)-1].Time
	for _, st := range f.stories {
		if st.closed != nil && st.closed.Time.After(at) {
			return false
		}
	}
	return true
}

// sorted are the stories, the newest first: those that are open, and then by when they
// were last heard of.
func (f *finding) sorted() []*story {
	var list []*story
	for _, st := range f.stories {
		list = append(list, st)
	}
	heard := func(st *story) int64 {
		if n := len(st.events); n > 0 {
			return st.events[n-1].Time.UnixNano()
		}
		return 0
	}
	slices.SortFunc(list, func(a, b *story) int {
		if a.isOpen != b.isOpen {
			if a.isOpen {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(heard(b), heard(a)), strings.Compare(a.id, b.id))
	})
	return list
}
