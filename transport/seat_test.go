package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// talk is a session without a carrier: the test hands lines in, and is handed lines.
type talk struct {
	t      *testing.T
	on     *Transport
	c      *conversation
	woken  atomic.Bool
	page   uint64 // the newest one of a poll
	isOver bool
}

// newTalk begins a conversation on t for a session. v is nil where nothing is guarded,
// and seat for a new session, or for a session that is resumed by connect.
func newTalk(t *testing.T, on *Transport, d dialect.Dialect, v *visitor, seat *seat, lines ...string) (*talk, []string) {
	t.Helper()
	k := &talk{t: t, on: on}
	k.c = &conversation{t: on, dialect: d, visitor: v.linked(&link{wants: seat}), wake: func() { k.woken.Store(true) }}
	if s, ok := d.(*dialect.Session); ok && len(lines) > 0 {
		s.SetContent([]byte(strings.Join(lines, "\n")))
	}
	m := scratches.Get().(*scratch)
	k.c.begin(m)
	return k, append(k.heard(m), k.hear()...)
}

// say hands lines in, and returns what comes of them at once.
func (k *talk) say(lines ...string) []string {
	k.t.Helper()
	m := scratches.Get().(*scratch)
	k.c.receive(false, []byte(strings.Join(lines, "\n")), m)
	return append(k.heard(m), k.hear()...)
}

// hear returns what the session is owed.
func (k *talk) hear() (lines []string) {
	k.t.Helper()
	for !k.isOver && k.woken.Swap(false) {
		m := scratches.Get().(*scratch)
		k.c.take(m)
		lines = append(lines, k.heard(m)...)
	}
	return lines
}

func (k *talk) heard(m *scratch) (lines []string) {
	k.t.Helper()
	defer m.recycle()
	k.isOver = k.isOver || m.effects.Closing != nil
	for _, frame := range m.effects.Frames {
		var page struct {
			Poll     uint64
			Messages []json.RawMessage
		}
		if json.Unmarshal(frame, &page) == nil && page.Poll > 0 {
			k.page = page.Poll
			for _, message := range page.Messages {
				lines = append(lines, string(message))
			}
			continue
		}
		if line := string(bytes.TrimSpace(frame)); line != "{}" {
			lines = append(lines, line)
		}
	}
	return lines
}

// resumption is the connect that goes on with the session of a reply.
func resumption(t *testing.T, id int, reply string) string {
	t.Helper()
	session, secret, _ := strings.Cut(sessionOf(t, reply), ".")
	return fmt.Sprintf(`{"id":%d,"connect":{"resume":{"session":%q,"secret":%q}}}`, id, session, secret)
}

// seatOf is the seat of the session of a reply to connect.
func seatOf(t *testing.T, on *Transport, reply string) *seat {
	t.Helper()
	id, secret, _ := strings.Cut(sessionOf(t, reply), ".")
	s := on.findSeat(id, secret)
	if s == nil {
		t.Fatalf("the session of %s is not here", reply)
	}
	return s
}

func newTalkTransport(t *testing.T, guard Guard) *Transport {
	t.Helper()
	h := newHub(t, nil, &hub.Options{})
	return newTransport(h, &Options{Logger: quiet(), Guard: guard})
}

func (on *Transport) newLines() *dialect.Session { return dialect.NewSessionLines(&on.sessions) }

// replyTo is the reply to a command among what was heard.
func replyTo(t *testing.T, heard []string, id int) string {
	t.Helper()
	found := ""
	for _, line := range heard {
		if strings.HasPrefix(line, fmt.Sprintf(`{"id":%d,`, id)) {
			if found != "" {
				t.Errorf("two replies to %d: %s and %s", id, found, line)
			}
			found = line
		}
	}
	if found == "" {
		t.Errorf("no reply to %d among %q", id, heard)
	}
	return found
}

// TestPublicationThatNeverArrivedIsMade when it is sent again with the ID that it had:
// in the session that goes on, and in a new one.
func TestPublicationThatNeverArrivedIsMade(t *testing.T) {
	on := newTalkTransport(t, nil)
	a, heard := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`, `{"id":2,"publish":{"channel":"c","data":"x"}}`)
	a.c.close() // and with it {"id":3,"publish":…}
	again := []string{
		resumption(t, 4, replyTo(t, heard, 1)), `{"id":5,"subscribe":{"channel":"c","last":5}}`,
		`{"id":2,"publish":{"channel":"c","data":"x"}}`, `{"id":3,"publish":{"channel":"c","data":"y"}}`,
	}
	b, resumed := newTalk(t, on, on.newLines(), nil, nil, again...)
	if got, was := replyTo(t, resumed, 2), replyTo(t, heard, 2); got != was {
		t.Errorf("the reply was %s and is repeated as %s", was, got)
	}
	if got := replyTo(t, resumed, 3); !strings.Contains(got, `:2"}`) {
		t.Errorf("what was never received is answered with %s", got)
	}
	b.say(`{"id":6,"end":{}}`)
	b.c.close()
	c, fresh := newTalk(t, on, on.newLines(), nil, nil, again...)
	defer c.c.close()
	if got := replyTo(t, fresh, 3); !strings.Contains(got, `:4"}`) {
		t.Errorf("in a new session it is answered with %s", got)
	}
}

// TestCommandThatTakesLongIsNotDoneTwice however many were replied to since.
func TestCommandThatTakesLongIsNotDoneTwice(t *testing.T) {
	on := newTalkTransport(t, nil)
	calls := 0
	remove, err := on.hub.HandleAsync("slow", func(*hub.IncomingCall, func(hub.Answer, error)) (cancel func()) {
		calls++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	a, _ := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`, `{"id":2,"rpc":{"method":"slow"}}`)
	defer a.c.close()
	for id := range 200 {
		replyTo(t, a.say(fmt.Sprintf(`{"id":%d,"publish":{"channel":"c","data":"x"}}`, id+10)), id+10)
	}
	if got := a.say(`{"id":2,"rpc":{"method":"slow"}}`); len(got) != 0 || calls != 1 {
		t.Errorf("it is answered with %q, and was done %d times", got, calls)
	}
	if got := replyTo(t, a.say(`{"id":20,"publish":{"channel":"c","data":"x"}}`), 20); !strings.Contains(got, "bad-command") {
		t.Errorf("one that is forgotten is answered with %s", got)
	}
}

// userGuard is a Guard that allows everything, to a user, at once or when it is told.
type userGuard struct {
	isLate  bool
	pending []func()
	left    int
	refuses bool
}

func (*userGuard) Identify(*Request, func(*Client, error)) { panic("no request is read") }

func (g *userGuard) Authorize(_ *Client, _ *Act, later func(error)) (decided bool, _ error) {
	var err error
	if g.refuses {
		err = &access.Refusal{Cause: access.Denied, Reason: "the test refuses it"}
	}
	if g.isLate {
		g.pending = append(g.pending, func() { later(err) })
		return false, nil
	}
	return true, err
}

func (g *userGuard) Leave(*Client) { g.left++ }

func (g *userGuard) decide() {
	pending := g.pending
	g.pending = nil
	for _, one := range pending {
		one()
	}
}

func (g *userGuard) visit() *visitor {
	v := &visitor{guard: g}
	v.know(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
	return v
}

func publishText(t *testing.T, on *Transport, channel, text string) hub.Position {
	t.Helper()
	p, _, err := on.hub.Publish(t.Context(), hub.Message{Channel: channel, Kind: hub.Text, Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMessagesGoOn behind the position that a client gives, when its session is resumed;
// a client that gives none has had none.
func TestMessagesGoOn(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	a.c.close()
	first := publishText(t, on, "@ann", "one")
	b, resumed := newTalk(t, on, on.newLines(), guard.visit(), nil, resumption(t, 2, replyTo(t, heard, 1)))
	if len(resumed) != 3 || !strings.Contains(resumed[2], `{"message":`) || !strings.Contains(resumed[2], `"one"`) {
		t.Errorf("the first message was lost: %q", resumed)
	}
	b.c.close()
	publishText(t, on, "@ann", "two")
	connect := strings.Replace(resumption(t, 3, replyTo(t, heard, 1)), `}}}`, fmt.Sprintf(`},"messages":%q}}`, first), 1)
	c, resumed := newTalk(t, on, on.newLines(), guard.visit(), nil, connect)
	if len(resumed) != 3 || !strings.Contains(resumed[2], `"two"`) {
		t.Errorf("behind %v there is %q", first, resumed)
	}
	c.c.close()
	connect = strings.Replace(resumption(t, 4, replyTo(t, heard, 1)), `}}}`, `},"messages":false}}`, 1)
	d, resumed := newTalk(t, on, on.newLines(), guard.visit(), nil, connect)
	defer d.c.close()
	publishText(t, on, "@ann", "three")
	if got := append(resumed, d.hear()...); len(got) != 1 {
		t.Errorf("one who wants no messages hears %q", got)
	}
}

// TestDigestOverTwoPolls is a digest also when its page is not the page that was under way.
func TestDigestOverTwoPolls(t *testing.T) {
	on := newTalkTransport(t, nil)
	poll := func() *dialect.Session { return dialect.NewSessionPoll(&on.sessions, 0) }
	a, heard := newTalk(t, on, poll(), nil, nil, `{"id":1,"connect":{}}`, `{"id":2,"history":{"channel":"c"}}`, `{"id":3,"digest":{"channel":"c","last":1}}`)
	seat := seatOf(t, on, replyTo(t, heard, 1))
	for range 3 {
		a.c.close()
		next := poll()
		next.Acknowledge(a.page)
		var more []string
		a, more = newTalk(t, on, next, nil, seat)
		heard = append(heard, more...)
	}
	a.c.close()
	if got := replyTo(t, heard, 3); !strings.Contains(got, "sha256") {
		t.Errorf("the digest is %s", got)
	}
}

// TestLateCommandsOfAnEarlierConnection are not done when the session was resumed.
func TestLateCommandsOfAnEarlierConnection(t *testing.T) {
	on := newTalkTransport(t, nil)
	a, heard := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`, `{"id":2,"subscribe":{"channel":"c"}}`)
	seat := seatOf(t, on, replyTo(t, heard, 1))
	a.c.close()
	if err := seat.deliver([]byte(`{"id":3,"unsubscribe":{"channel":"c"}}` + "\n" + `{"id":4,"publish":{"channel":"c","data":"posted"}}`)); err != nil {
		t.Fatal(err)
	}
	b, heard := newTalk(t, on, on.newLines(), nil, nil, resumption(t, 5, replyTo(t, heard, 1)), `{"id":6,"subscribe":{"channel":"c"}}`)
	defer b.c.close()
	if got := replyTo(t, heard, 3); !strings.Contains(got, "bad-command") {
		t.Errorf("an old command is answered with %s", got)
	}
	replyTo(t, heard, 4)
	if got := strings.Join(heard, "\n"); !strings.Contains(got, `"data":"posted"`) {
		t.Errorf("the subscription or the publication is lost: %s", got)
	}
}

// TestPollThatIsLateAcknowledgesNothing of a newer connection, and is not given that connection's
// messages.
func TestPollThatIsLateAcknowledgesNothing(t *testing.T) {
	on := newTalkTransport(t, nil)
	poll := func(ack uint64) *dialect.Session {
		d := dialect.NewSessionPoll(&on.sessions, 0)
		d.Acknowledge(ack)
		return d
	}
	a, heard := newTalk(t, on, poll(0), nil, nil, `{"id":1,"connect":{}}`)
	reply := replyTo(t, heard, 1)
	a.c.close()
	late := a.page
	b, heard := newTalk(t, on, poll(0), nil, nil, resumption(t, 2, reply))
	replyTo(t, heard, 2)
	b.c.close() // and its page is lost
	c, heard := newTalk(t, on, poll(late), nil, seatOf(t, on, reply))
	if len(heard) > 0 || !c.c.isOver {
		t.Errorf("it is given %q", heard)
	}
	c.c.close()
	d, heard := newTalk(t, on, poll(0), nil, seatOf(t, on, reply)) // which does not say what it has
	replyTo(t, heard, 2)
	d.c.close()
}
