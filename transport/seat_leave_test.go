package transport

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport/dialect"
)

// TestRefusalOutlivesItsCarrier: a refusal that was decided and not yet said is said on
// the next carrier.
func TestRefusalOutlivesItsCarrier(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	guard.isLate, guard.refuses = true, true
	a.say(`{"id":2,"publish":{"channel":"c","data":"x"}}`)
	guard.decide()
	m := scratches.Get().(*scratch)
	a.c.receive(false, []byte(`{"id":3,"ping":{}}`), m) // which takes the decision and is lost
	m.recycle()
	a.c.close()
	guard.isLate = false
	b, again := newTalk(t, on, on.newLines(), guard.visit(), nil, resumption(t, 4, replyTo(t, heard, 1)), `{"id":2,"publish":{"channel":"c","data":"x"}}`)
	defer b.c.close()
	if got := replyTo(t, again, 2); !strings.Contains(got, "the test refuses it") {
		t.Errorf("the reply is %s", got)
	}
}

// TestHeldCommandsOfAnEarlierConnection are not done for one that has resumed the
// session: it has said anew what it subscribes to.
func TestHeldCommandsOfAnEarlierConnection(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	guard.isLate = true
	a.say(`{"id":2,"subscribe":{"channel":"c","last":1}}`, `{"id":3,"publish":{"channel":"c","data":"x"}}`)
	a.c.close()
	connect := strings.Replace(resumption(t, 4, replyTo(t, heard, 1)), "}}}", `},"messages":false}}`, 1)
	b, again := newTalk(t, on, on.newLines(), guard.visit(), nil, connect, `{"id":5,"subscribe":{"channel":"c","last":1}}`, `{"id":3,"publish":{"channel":"c","data":"x"}}`)
	defer b.c.close()
	for len(guard.pending) > 0 {
		guard.decide()
		again = append(again, b.hear()...)
	}
	if got := replyTo(t, again, 5); !strings.Contains(got, `"ok"`) {
		t.Errorf("the subscription is answered with %s", got)
	}
	if got := replyTo(t, again, 3); !strings.Contains(got, `"ok"`) {
		t.Errorf("the publication is answered with %s", got)
	}
	if got := strings.Join(again, "\n"); strings.Contains(got, `{"id":2,`) || strings.Count(got, `"channel":"c"`) != 1 {
		t.Errorf("heard %s", got)
	}
}

// tokenGuard decides later whose a token is.
type tokenGuard struct {
	*userGuard
	known []func()
}

func (g *tokenGuard) IdentifyToken(_ *Client, token string, done func(*Client, error)) {
	g.known = append(g.known, func() {
		done(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann", Expires: time.Now().Add(time.Hour)}}, nil)
	})
}

// TestRefreshBetweenTwoPolls is answered in the poll that is under way when it is known
// whose the token is.
func TestRefreshBetweenTwoPolls(t *testing.T) {
	guard := &tokenGuard{userGuard: &userGuard{}}
	on := newTalkTransport(t, guard)
	visit := func() *visitor {
		v := &visitor{guard: guard}
		v.know(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
		return v
	}
	a, heard := newTalk(t, on, dialect.NewSessionPoll(&on.sessions, time.Second), visit(), nil, `{"id":1,"connect":{}}`)
	seat := seatOf(t, on, replyTo(t, heard, 1))
	a.c.close()
	next := dialect.NewSessionPoll(&on.sessions, time.Second)
	next.Acknowledge(a.page)
	b, _ := newTalk(t, on, next, nil, seat)
	if err := seat.deliver([]byte(`{"id":2,"refresh":{"token":"t"}}`)); err != nil {
		t.Fatal(err)
	}
	b.hear()
	b.c.close() // the poll was lost
	last := dialect.NewSessionPoll(&on.sessions, time.Second)
	last.Acknowledge(a.page)
	c, heard := newTalk(t, on, last, nil, seat)
	for _, known := range guard.known {
		known()
	}
	heard = append(heard, c.hear()...)
	if got := replyTo(t, heard, 2); !strings.Contains(got, "expires_after_ms") {
		t.Errorf("the refresh is answered with %s", got)
	}
	c.c.close()
	seat.giveUp(0)
	if guard.left != 2 {
		t.Errorf("the Guard was told of the end of %d clients, and there were 2", guard.left)
	}
}

// TestDeliveredCommandsOfABusySession are read when it is not busy any more, whatever
// made it so.
func TestDeliveredCommandsOfABusySession(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	defer a.c.close()
	seat := seatOf(t, on, replyTo(t, heard, 1))
	guard.isLate = true
	var lines []string
	for id := range heldMax {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"publish":{"channel":"c","data":"x"}}`, id+2))
	}
	a.say(lines...)
	if err := seat.deliver([]byte(`{"id":100,"ping":{}}`)); err != nil {
		t.Fatal(err)
	}
	a.hear()
	guard.isLate = false // the first decision is the last that comes later
	guard.decide()
	replyTo(t, a.hear(), 100)
}

// TestDeliveredCommandsAreReadWhenTheSessionIsResumed, although nothing else comes.
func TestDeliveredCommandsAreReadWhenTheSessionIsResumed(t *testing.T) {
	on := newTalkTransport(t, nil)
	a, heard := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`)
	seat := seatOf(t, on, replyTo(t, heard, 1))
	a.c.close()
	if err := seat.deliver([]byte(`{"id":2,"publish":{"channel":"c","data":"x"}}`)); err != nil {
		t.Fatal(err)
	}
	b, again := newTalk(t, on, on.newLines(), nil, nil, resumption(t, 3, replyTo(t, heard, 1)))
	defer b.c.close()
	replyTo(t, again, 2)
}

// TestSessionThatWasClaimedAndNotTakenEnds: the one that waited for it has gone, too.
func TestSessionThatWasClaimedAndNotTakenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newTalkTransport(t, nil)
		a, heard := newTalk(t, on, on.newLines(), nil, nil, `{"id":1,"connect":{}}`)
		b, again := newTalk(t, on, on.newLines(), nil, nil, resumption(t, 2, replyTo(t, heard, 1)))
		if len(again) != 0 {
			t.Fatalf("it did not wait: %q", again)
		}
		if got := a.hear(); len(got) != 1 || !strings.Contains(got[0], "4409") {
			t.Errorf("the one that had it hears %q", got)
		}
		a.c.close()
		b.c.close() // before it looks
		<-time.After(DefaultSessionTimeout - time.Second)
		if len(on.hub.Sessions()) != 1 {
			t.Error("it has ended before its time")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := len(on.hub.Sessions()); n != 0 {
			t.Errorf("%d sessions are there for ever", n)
		}
		_ = on.hub.Close()
	})
}
