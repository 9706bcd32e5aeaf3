package flight

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// judge says what became of the publication for a session.
func (f *finding) judge(st *story) (Outcome, string) {
	outcome, text := f.judgePaths(st)
	switch outcome {
	case NotSubscribed, Offline, Denied, Ended: // by name
		if by, also, ok := f.judgePatterns(st); ok {
			return by, also
		}
	}
	return outcome, text
}

// judgePaths is judge as far as subscriptions by name go.
func (f *finding) judgePaths(st *story) (Outcome, string) {
	at, recent := f.answer.Position, f.isRecent()
	// Of several subscriptions, one after the other, the best place counts.
	order := [...]place{placeGiven, placePending, placeGap, placeUnknown, placeAfter, placeBefore}
	found, gap := make(map[place]*path), (*Event)(nil)
	for _, p := range st.paths {
		where, e := p.find(at, recent)
		if found[where] = p; where == placeGap {
			gap = e
		}
	}
	for _, where := range order {
		p := found[where]
		if p == nil {
			continue
		}
		if where != placeGiven && where != placeUnknown && !st.isKnown && !recent {
			return Unknown, f.forgottenText(st) // another subscription may have been given it
		}
		if p.excluded(f.answer.Publication, st.id) != "" && where <= placePending && where >= placeGiven {
			return Filtered, f.filteredText(st, p)
		}
		switch where {
		case placeGiven:
			return Given, f.givenText(st, p)
		case placePending:
			return f.pending(st, p)
		case placeGap:
			return outcomeOf(gap.Gap.Reason), f.gapText(st, gap)
		case placeUnknown:
			return Unknown, f.unknownText(st, p)
		case placeAfter:
			return f.after(st, p, found[placeBefore])
		case placeBefore:
			return f.before(st, p)
		}
	}
	return f.neverSubscribed(st)
}

func outcomeOf(r hub.GapReason) Outcome { return Outcome(r.String()) }

// excluded says why a publication is not for the session, "" if it is or that is not known.
func (p *path) excluded(publication *hub.Publication, session string) string {
	switch {
	case publication == nil:
	case p.excludesOwn && publication.Publisher == session:
		return "this session published it itself, and had asked not to be given its own"
	case publication.Attributes != nil && publication.Attributes.Exclude == session:
		return "whoever published it excluded this session"
	}
	return ""
}

func (f *finding) filteredText(st *story, p *path) string {
	return fmt.Sprintf("%s was left out for %s on purpose: %s.", f.answer.Position, st.name(), p.excluded(f.answer.Publication, st.id))
}

func (f *finding) givenText(st *story, p *path) string {
	a := f.answer
	var b strings.Builder
	fmt.Fprintf(&b, "%s was subscribed to %s%s and was given %s", st.Name(), a.Channel, p.beginning(), a.Position)
	if a.Publication == nil { // it cannot be seen for whom it was
		b.WriteString(", unless it was left out on purpose")
		if p.excludesOwn {
			b.WriteString(": one of its own, or one from which its publisher had excluded it")
		} else {
			b.WriteString(", by a publisher that had excluded it")
		}
	}
	fmt.Fprintf(&b, ". Everything up to %s was handed to its connection; whether that has arrived is not known here.", p.taken())
	b.WriteString(f.waited(st))
	if p.ended != nil && p.ended.IsClosed && st.suspended != nil {
		fmt.Fprintf(&b, " Its connection was lost at %s%s, and the session waited to be resumed until %s.",
			f.clock(st.suspended.Time), in(st.suspended), f.clock(p.ended.Time))
	} else if p.ended != nil && p.ended.IsClosed {
		fmt.Fprintf(&b, " The connection ended at %s%s.", f.clock(p.ended.Time), st.how())
	} else if st.suspended != nil {
		fmt.Fprintf(&b, " The connection was lost at %s%s.", f.clock(st.suspended.Time), in(st.suspended))
	}
	return b.String()
}

// waited says that a session had no connection when the publication came, "" if it had one
// or that is not known.
func (f *finding) waited(st *story) string {
	published := f.answer.Publication
	if published == nil {
		return ""
	}
	for _, w := range st.waits {
		if !published.Time.Before(w.lost.Time) && !published.Time.After(w.resumed.Time) {
			return fmt.Sprintf(" It was published while the session had no connection: its connection was lost at %s%s, and the session waited to be resumed until %s.",
				f.clock(w.lost.Time), in(w.lost), f.clock(w.resumed.Time))
		}
	}
	return ""
}

// beginning says where a subscription began, if that is known.
func (p *path) beginning() string {
	if p.began == nil {
		return ""
	}
	return ", beginning after " + p.began.Position.String() + ","
}

// share says how much has been given.
func (p *path) share() string {
	if taken := p.taken(); p.began == nil || taken != p.began.Position {
		return "everything up to " + taken.String()
	}
	return "nothing after " + p.began.Position.String()
}

// pending is the sentence about a publication that the edge has not taken yet.
func (f *finding) pending(st *story, p *path) (Outcome, string) {
	a := f.answer
	text := fmt.Sprintf("%s is subscribed to %s%s and has been given %s", st.Name(), a.Channel, p.beginning(), p.share())
	if st.suspended != nil {
		return Ended, fmt.Sprintf("%s. It was offline: its connection was lost at %s%s, and it has not come back. It is given %s when it does, as long as the history holds it.",
			text, f.clock(st.suspended.Time), in(st.suspended), a.Position)
	}
	switch {
	case p.live.IsFailing:
		text += ". " + a.Position.String() + " has to be read from the history, which failed at the last try; it is tried again"
	case p.live.IsCatchingUp:
		text += ". " + a.Position.String() + " waits: the session is reading the history to catch up, as fast as its connection takes it"
	case p.live.Queued > 0:
		text += fmt.Sprintf(". %s waits: %s in the queue until its connection takes more", a.Position, count(p.live.Queued, "publication is", "publications are"))
	default:
		text += ". " + a.Position.String() + " waits until its connection takes it"
	}
	return Waiting, text + "."
}

// gapReasons say why a publication is in a gap.
var gapReasons = [...]string{
	hub.GapLost:      "the history did not hold it any more",
	hub.GapExpired:   "it had expired before it was its turn",
	hub.GapConflated: "a newer one with the same key took its place",
	hub.GapDropped:   "the client was too slow, and the policy of the channel is to drop the oldest",
	hub.GapRate:      "there were more than the rate of the subscription lets through",
}

func (f *finding) gapText(st *story, e *Event) string {
	a := f.answer
	size := ""
	if e.Gap.Count > 1 {
		size = fmt.Sprintf(" (%d publications)", e.Gap.Count)
	}
	return fmt.Sprintf("%s was not given to %s, because %s. It is in the gap after %s and up to %s%s that the session was told of at %s.",
		a.Position, st.name(), gapReasons[e.Gap.Reason], e.Gap.From, e.Gap.To, size, f.clock(e.Time))
}

func (f *finding) unknownText(st *story, p *path) string {
	a := f.answer
	if p.isChanging() {
		return fmt.Sprintf("It is not known whether %s was given %s: its subscription was changing when this was asked. Ask again.", st.name(), a.Position)
	}
	if p.isKnown { // another epoch than any it has had
		return fmt.Sprintf("It is not known whether %s was given %s: that is of another epoch than what it has had of %s, %s being the newest.",
			st.name(), a.Position, a.Channel, p.taken())
	}
	return f.forgottenText(st)
}

// forgottenText is about a session that is older than the memory.
func (f *finding) forgottenText(st *story) string {
	a := f.answer
	return fmt.Sprintf("It is not known whether %s was given %s: what is remembered reaches back to %s only, and the session is older.",
		st.name(), a.Position, f.clock(a.KnownSince))
}

// after is the sentence about a publication newer than those that an ended subscription was given.
// next is another one of the session, which began after it, or nil.
func (f *finding) after(st *story, p, next *path) (Outcome, string) {
	a := f.answer
	if p.ended.IsClosed && st.suspended != nil {
		return Ended, fmt.Sprintf("%s was offline: its connection was lost at %s%s, and the session waited to be resumed until %s, when it had been given %s, and %s.",
			st.Name(), f.clock(st.suspended.Time), in(st.suspended), f.clock(p.ended.Time), p.share(), f.comeBack(st, p.ended.Time))
	}
	if p.ended.IsClosed {
		return Ended, fmt.Sprintf("%s was offline: its connection ended at %s%s, when it had been given %s, and %s.",
			st.Name(), f.clock(p.ended.Time), st.how(), p.share(), f.comeBack(st, p.ended.Time))
	}
	text := fmt.Sprintf("%s was not given %s: it unsubscribed from %s at %s, when it had been given %s", st.Name(), a.Position, a.Channel, f.clock(p.ended.Time), p.share())
	if next != nil && next.began != nil {
		text += fmt.Sprintf(". It subscribed again at %s, beginning after %s", f.clock(next.began.Time), next.began.Position)
	}
	if st.refused != nil && st.refused.Time.After(p.ended.Time) {
		return Denied, text + ". " + f.refusedText(st.refused, "It")
	}
	return NotSubscribed, text + "."
}

// comeBack says whether the user of a session that has ended had another one since.
func (f *finding) comeBack(st *story, ended time.Time) string {
	if st.user == "" {
		return "whether its client has come back with another session is not known, as it has no user"
	}
	for _, v := range f.visits {
		if v.session != st.id && v.at > ended.UnixNano() {
			return fmt.Sprintf("%s came back at %s with session %s", st.user, f.clock(timeOf(v.at)), short(v.session))
		}
	}
	return st.user + " has not come back to this server"
}

// before is the sentence about a publication older than where a subscription began.
func (f *finding) before(st *story, p *path) (Outcome, string) {
	a := f.answer
	began := fmt.Sprintf("it subscribed to %s at %s, beginning after %s", a.Channel, f.clock(p.began.Time), p.began.Position)
	if published := a.Publication; published != nil && st.opened != nil && published.Time.Before(st.opened.Time) {
		return Offline, fmt.Sprintf("%s was not there yet: it opened at %s, after %s was published at %s; %s.",
			st.Name(), f.clock(st.opened.Time), a.Position, f.clock(published.Time), began)
	}
	return NotSubscribed, fmt.Sprintf("%s was not subscribed yet: %s.", st.Name(), began)
}

// neverSubscribed is the sentence about a session without a subscription to the channel.
func (f *finding) neverSubscribed(st *story) (Outcome, string) {
	a := f.answer
	if st.refused != nil {
		return Denied, f.refusedText(st.refused, st.Name())
	}
	if !st.isKnown && !f.isRecent() {
		return Unknown, f.forgottenText(st)
	}
	if !st.isKnown { // what ended before is forgotten, and does not matter
		return NotSubscribed, fmt.Sprintf("%s was not subscribed to %s when %s was published, and has not been since.", st.Name(), a.Channel, a.Position)
	}
	return NotSubscribed, fmt.Sprintf("%s has not been subscribed to %s at any time.", st.Name(), a.Channel)
}

// refusedText says what was refused, and why.
func (f *finding) refusedText(e *Event, who string) string {
	return fmt.Sprintf("%s was not allowed to %s to %s: that was refused at %s%s.", who, e.Action, f.answer.Channel, f.clock(e.Time), in(e))
}

// refusalText is about the newest refusal that names no session, "" if there is none.
func (f *finding) refusalText() string {
	if n := len(f.answer.Refusals); n > 0 {
		return f.refusedText(&f.answer.Refusals[n-1], f.answer.User)
	}
	return ""
}

// judgeNobody is the answer when nothing is known of any session.
func (f *finding) judgeNobody() (Outcome, string) {
	a := f.answer
	who := "session " + short(a.Session)
	if a.User != "" {
		who = a.User
	}
	if text := f.refusalText(); text != "" {
		return Denied, text
	}
	since := f.clock(a.KnownSince)
	if a.OnlyChannel && (f.floor == 0 || f.isRecent()) {
		return NotSubscribed, fmt.Sprintf("Nothing was seen of %s in %s since %s.", who, a.Channel, since)
	}
	switch {
	case f.floor == 0:
		return Offline, fmt.Sprintf("Nothing was seen of %s since this server began at %s.", who, since)
	case f.isRecent():
		return Offline, fmt.Sprintf("%s was not there when %s was published at %s, and has not been since.", capital(who), a.Position, f.clock(a.Publication.Time))
	}
	return Unknown, fmt.Sprintf("Nothing is known of %s, and what is remembered reaches back to %s only.", who, since)
}

// existenceText says what is to be known of the position itself, "" if it is as usual.
func (f *finding) existenceText() string {
	a := f.answer
	switch a.Existence {
	case Exists:
		return ""
	case Hole:
		return fmt.Sprintf("There is no publication %s: nothing was ever published at this position of %s.", a.Position, a.Channel)
	case Future:
		return fmt.Sprintf("There is no publication %s: nothing has been published there yet; %s is the newest position of %s.", a.Position, a.Newest, a.Channel)
	case OtherEpoch:
		return fmt.Sprintf("%s is of another epoch than %s now, which is at %s: the history that it belonged to is gone, and whether there was such a publication is not known.",
			a.Position, a.Channel, a.Newest)
	}
	return fmt.Sprintf("The history of %s does not hold %s any more, so what it was is not known.", a.Channel, a.Position)
}

// Name is name at the beginning of a sentence.
func (st *story) Name() string { return capital(st.name()) }

func (st *story) name() string {
	if st.user == "" {
		return "session " + short(st.id)
	}
	return "session " + short(st.id) + " of " + st.user
}

// how says how a connection ended, in parentheses, "" if that is not known.
func (st *story) how() string {
	var e Event
	for _, of := range []*Event{st.disconnected, st.closed} { // why a session ended says more than how its connection did
		if of != nil && of.Reason != "" {
			e.Reason = of.Reason
		}
		if of != nil && of.Code != 0 {
			e.Code = of.Code
		}
	}
	return in(&e)
}

// in is the code and the reason of an event, in parentheses.
func in(e *Event) string {
	switch {
	case e.Code != 0 && e.Reason != "":
		return fmt.Sprintf(" (%d, %s)", e.Code, e.Reason)
	case e.Code != 0:
		return fmt.Sprintf(" (%d)", e.Code)
	case e.Reason != "":
		return " (" + e.Reason + ")"
	}
	return ""
}

// clock is a time of day, with the day if that is not today.
func (f *finding) clock(t time.Time) string {
	t, today := t.UTC(), f.answer.At.UTC()
	if t.Format(time.DateOnly) == today.Format(time.DateOnly) {
		return t.Format("15:04:05.000 UTC")
	}
	return t.Format("2006-01-02 15:04:05.000 UTC")
}

// shortBytes is how much of an ID stands in a sentence.
const shortBytes = 8

func short(id string) string {
	if len(id) <= shortBytes {
		return id
	}
	return id[:shortBytes] + "…"
}

// capital is s with its first letter large, if it is one of ours.
func capital(s string) string {
	if rest, ok := strings.CutPrefix(s, "session "); ok {
		return "Session " + rest
	}
	return s
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}
