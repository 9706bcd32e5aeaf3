package transport

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
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

// TestHeldCommandsOfAnEarlierConnection are not done for a connection that has
// resumed the session: it has said anew what it subscribes to.
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

// tokenGuard names the holder of a token later.
type tokenGuard struct {
	*userGuard
	known []func()
}

func (g *tokenGuard) IdentifyToken(_ *Client, token string, done func(*Client, error)) {
	g.known = append(g.known, func() {
		done(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann", Expires: time.Now().Add(time.Hour)}}, nil)
	})
}

// TestRefreshBetweenTwoPolls is answered in the poll that is under way when the holder
// of the token is known.
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

// TestSessionThatWasClaimedAndNotTakenEnds: the connection that waited for it has gone, too.
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

// TestConnectThatIsLateResumesNothing: its client is on a newer connection, and sent it
// before.
func TestConnectThatIsLateResumesNothing(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	a.c.close()
	unknown := &visitor{guard: guard}
	b, none := newTalk(t, on, on.newLines(), unknown, nil, resumption(t, 2, replyTo(t, heard, 1)))
	if len(none) != 0 {
		t.Fatalf("somebody who is not known is answered with %q", none)
	}
	c, resumed := newTalk(t, on, on.newLines(), guard.visit(), nil, resumption(t, 3, replyTo(t, heard, 1)))
	defer c.c.close()
	unknown.know(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
	if got := replyTo(t, b.hear(), 2); !strings.Contains(got, `"resumed":false`) {
		t.Errorf("the late one is told %s", got)
	}
	b.c.close()
	if more := c.say(`{"id":4,"ping":{}}`); !strings.Contains(replyTo(t, resumed, 3), `"resumed":true`) || len(more) != 1 {
		t.Errorf("the newer one is told %q and %q", resumed, more)
	}
}

// TestNothingIsDoneForACarrierThatHasLetGo: what its client had sent before it knew is not
// received. Nobody would be asked whether it may, and there would be no reply.
func TestNothingIsDoneForACarrierThatHasLetGo(t *testing.T) {
	guard := &userGuard{}
	on := newTalkTransport(t, guard)
	a, heard := newTalk(t, on, on.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	b, waits := newTalk(t, on, on.newLines(), guard.visit(), nil, resumption(t, 2, replyTo(t, heard, 1)))
	defer b.c.close()
	if end := a.hear(); len(waits) != 0 || len(end) != 1 || !strings.Contains(end[0], "4409") {
		t.Fatalf("heard %q and %q", waits, end)
	}
	guard.refuses = true
	if got := a.say(`{"id":3,"publish":{"channel":"c","data":"x"}}`); len(got) != 0 {
		t.Errorf("it is answered with %q", got)
	}
	page, err := on.hub.History(t.Context(), "c", hub.Query{})
	if err != nil || len(page.Publications) != 0 {
		t.Errorf("published without a grant: %v, %v", page.Publications, err)
	}
	guard.refuses = false
	b.hear()
	if got := replyTo(t, b.say(`{"id":3,"publish":{"channel":"c","data":"x"}}`), 3); !strings.Contains(got, `"ok"`) {
		t.Errorf("sent again it is answered with %s", got)
	}
	a.c.close()
}

// TestBusyCarrierEndsWhenItsSessionGoesOnElsewhere, although it reads nothing any more.
func TestBusyCarrierEndsWhenItsSessionGoesOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan End, 10)
		guard := &userGuard{}
		h := newHub(t, nil, nil)
		v := serveInMemory(t, h, Options{Logger: quiet(), Guard: identifiedGuard{guard}, Observer: &Observer{Ended: func(_ string, end End) { ended <- end }}})
		defer v.close()
		a := openSession(t, v, nil)
		a.connect("")
		guard.isLate = true
		var lines []string
		for id := range heldMax + 1 {
			lines = append(lines, fmt.Sprintf(`{"id":%d,"publish":{"channel":"c","data":"x"}}`, id+2))
		}
		a.say(lines...)
		synctest.Wait()
		guard.isLate = false
		b := openSession(t, v, nil)
		if !b.connect(a.session) {
			t.Error("it was not resumed")
		}
		if end := a.hear(`{"end"`); !strings.Contains(end, "4409") {
			t.Errorf("heard %s", end)
		}
		_ = a.conn.CloseNow()
		<-time.After(time.Minute)
		if len(ended) != 1 {
			t.Errorf("%d carriers have ended", len(ended))
		}
		_ = b.conn.CloseNow()
		_ = h.Shutdown(t.Context())
		_ = h.Close()
		v.client.CloseIdleConnections()
	})
}

// identifiedGuard knows everybody.
type identifiedGuard struct{ *userGuard }

func (g identifiedGuard) Identify(_ *Request, done func(*Client, error)) {
	done(&Client{Identity: &access.Identity{Kind: access.Token, User: "ann"}}, nil)
}
