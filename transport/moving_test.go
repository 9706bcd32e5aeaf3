package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

func exported(t testing.TB, on *Transport) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := on.ExportSessions(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func imported(t testing.TB, on *Transport, b []byte, patience time.Duration) {
	t.Helper()
	if err := on.ImportSessions(bytes.NewReader(b), patience); err != nil {
		t.Fatal(err)
	}
}

// TestMovedSession goes on in another process with its ID and secret, and knows what has
// become of its commands: nothing is done twice there.
func TestMovedSession(t *testing.T) {
	guard := &userGuard{}
	old, next := newTalkTransport(t, guard), newTalkTransport(t, guard)
	never, err := old.hub.HandleAsync("never", func(*hub.IncomingCall, func(hub.Answer, error)) (cancel func()) { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer never()
	a, heard := newTalk(t, old, old.newLines(), guard.visit(), nil,
		`{"id":1,"connect":{}}`, `{"id":2,"publish":{"channel":"c","data":"x"}}`, `{"id":3,"rpc":{"method":"never"}}`, `{"id":7,"register":{"method":"sum/*","concurrency":2}}`)
	defer a.c.close()
	replyTo(t, heard, 7)
	imported(t, next, exported(t, old), time.Minute)
	if got := replyTo(t, a.say(`{"id":4,"publish":{"channel":"c","data":"y"}}`), 4); !strings.Contains(got, `:2"}`) {
		t.Errorf("a session that was exported is answered with %s", got)
	}
	b, resumed := newTalk(t, next, next.newLines(), guard.visit(), nil,
		resumption(t, 5, replyTo(t, heard, 1)), `{"id":2,"publish":{"channel":"c","data":"x"}}`, `{"id":3,"rpc":{"method":"never"}}`)
	if got := replyTo(t, resumed, 5); !strings.Contains(got, `"resumed":true`) || sessionOf(t, got) != sessionOf(t, replyTo(t, heard, 1)) {
		t.Errorf("it is resumed with %s", got)
	}
	if got, was := replyTo(t, resumed, 2), replyTo(t, heard, 2); got != was {
		t.Errorf("the reply was %s and is repeated as %s", was, got)
	}
	if got := replyTo(t, resumed, 3); !strings.Contains(got, "not known") {
		t.Errorf("a call of which nobody knows is answered with %s", got)
	}
	s := b.c.session
	if id := s.Identity(); id == nil || id.User != "ann" || s.ID() != a.c.session.ID() {
		t.Errorf("it is %s of %v", s.ID(), id)
	}
	// What it answers comes to it here, from when it was resumed.
	called := make(chan error, 1)
	go func() {
		_, err := next.hub.Call(t.Context(), nil, hub.Call{Method: "sum/1", Kind: hub.Text, Data: []byte("?")})
		called <- err
	}()
	var call string
	for call == "" {
		select {
		case err := <-called:
			t.Fatal("nobody is registered: ", err)
		case <-time.After(time.Millisecond):
			call = strings.Join(b.hear(), "")
		}
	}
	number := regexp.MustCompile(`"call":{"id":(\d+)`).FindStringSubmatch(call)
	if number == nil {
		t.Fatalf("a call is %s", call)
	}
	b.say(`{"id":8,"answer":{"call":` + number[1] + `,"data":"3"}}`)
	if err := <-called; err != nil {
		t.Error(err)
	}
	// It goes on like a session that has begun here, and moves once more.
	b.c.close()
	third := newTalkTransport(t, guard)
	imported(t, third, exported(t, next), 0)
	c, resumed := newTalk(t, third, third.newLines(), guard.visit(), nil, resumption(t, 6, replyTo(t, heard, 1)), `{"id":2,"publish":{"channel":"c","data":"x"}}`)
	defer c.c.close()
	if got := c.c.session.Registrations(); len(got) != 1 || got["sum/*"].ConcurrentMax != 2 {
		t.Errorf("it is registered for %v", got)
	}
	if got, was := replyTo(t, resumed, 2), replyTo(t, heard, 2); got != was {
		t.Errorf("the reply was %s and is repeated as %s", was, got)
	}
}

// TestMovedSessionOfSomebodyElse is not given to a client that has its secret alone.
func TestMovedSessionOfSomebodyElse(t *testing.T) {
	guard := &userGuard{}
	old, next := newTalkTransport(t, guard), newTalkTransport(t, guard)
	a, heard := newTalk(t, old, old.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
	defer a.c.close()
	imported(t, next, exported(t, old), 0)
	for _, other := range []*visitor{nil, {guard: guard, isKnown: true, client: &Client{Identity: &access.Identity{Kind: access.Token, User: "bob"}}}} {
		b, resumed := newTalk(t, next, next.newLines(), other, nil, resumption(t, 2, replyTo(t, heard, 1)))
		if got := replyTo(t, resumed, 2); strings.Contains(got, `"resumed":true`) {
			t.Errorf("somebody else has resumed it: %s", got)
		}
		b.c.close()
	}
	c, resumed := newTalk(t, next, next.newLines(), guard.visit(), nil, resumption(t, 3, replyTo(t, heard, 1)))
	defer c.c.close()
	if got := replyTo(t, resumed, 3); !strings.Contains(got, `"resumed":true`) {
		t.Errorf("its user is answered with %s", got)
	}
}

// TestMovedSessionKnowsItsConnect: a connect that its client sent before the newest
// one gets nothing, and what the client says of itself is known before it is back.
func TestMovedSessionKnowsItsConnect(t *testing.T) {
	old, next := newTalkTransport(t, nil), newTalkTransport(t, nil)
	a, heard := newTalk(t, old, old.newLines(), nil, nil, `{"id":4,"connect":{"client":"app/2"}}`)
	defer a.c.close()
	imported(t, next, exported(t, old), 0)
	if attached, waiting := next.SessionCounts(); attached != 0 || waiting != 1 {
		t.Errorf("%d are attached and %d wait", attached, waiting)
	}
	if got, ok := next.SessionState(a.c.session.ID()); !ok || got.Client != "app/2" || got.IsAttached {
		t.Errorf("it is %+v", got)
	}
	b, late := newTalk(t, next, next.newLines(), nil, nil, resumption(t, 3, replyTo(t, heard, 4)))
	defer b.c.close()
	if got := replyTo(t, late, 3); !strings.Contains(got, `"resumed":false`) {
		t.Errorf("the late one is told %s", got)
	}
	c, resumed := newTalk(t, next, next.newLines(), nil, nil, resumption(t, 5, replyTo(t, heard, 4)))
	defer c.c.close()
	if got := replyTo(t, resumed, 5); !strings.Contains(got, `"resumed":true`) {
		t.Errorf("the newer one is told %s", got)
	}
	if attached, waiting := next.SessionCounts(); attached != 2 || waiting != 0 {
		t.Errorf("%d are attached and %d wait", attached, waiting)
	}
}

// TestMovedSessionWaits for the session timeout and as long as the other process may have
// it, but not beyond the end of its token.
func TestMovedSessionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := &userGuard{}
		old, next := newTalkTransport(t, guard), newTalkTransport(t, guard)
		a, _ := newTalk(t, old, old.newLines(), guard.visit(), nil, `{"id":1,"connect":{}}`)
		short := (&userGuard{}).visit() // leaves at its own time
		short.client.Identity = &access.Identity{Kind: access.Token, User: "eve", Expires: time.Now().Add(time.Second)}
		b, _ := newTalk(t, old, old.newLines(), short, nil, `{"id":1,"connect":{}}`)
		imported(t, next, exported(t, old), time.Minute)
		a.c.close()
		b.c.close()
		began := time.Now()
		await := func(n int) time.Duration {
			for next.hub.SessionCount() > n {
				<-time.After(100 * time.Millisecond)
			}
			return time.Since(began).Round(time.Second)
		}
		if took := await(1); took != time.Second {
			t.Errorf("the one whose token ends waited %v", took)
		}
		if took := await(0); took != time.Minute+DefaultSessionTimeout {
			t.Errorf("it waited %v", took)
		}
		await(0)
		for old.hub.SessionCount() > 0 {
			<-time.After(time.Second)
		}
	})
}

// TestImportRefuses what is malformed, cut off, or there already.
func TestImportRefuses(t *testing.T) {
	old := newTalkTransport(t, nil)
	a, _ := newTalk(t, old, old.newLines(), nil, nil, `{"id":1,"connect":{}}`, `{"id":2,"publish":{"channel":"c","data":"x"}}`)
	defer a.c.close()
	whole := exported(t, old)
	for n := 1; n < len(whole); n++ {
		if err := newTalkTransport(t, nil).ImportSessions(bytes.NewReader(whole[:n]), 0); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	for name, b := range map[string][]byte{
		"twice":       append(bytes.Clone(whole), whole...),
		"more behind": append([]byte{whole[0] + 1}, append(bytes.Clone(whole[1:]), 0)...),
		"too long":    {0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if err := newTalkTransport(t, nil).ImportSessions(bytes.NewReader(b), 0); !errors.Is(err, errSessions) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := bytes.Replace(whole, []byte(a.c.session.ID()), []byte(strings.Repeat("?", len(a.c.session.ID()))), 1)
	if err := newTalkTransport(t, nil).ImportSessions(bytes.NewReader(other), 0); !errors.Is(err, hub.ErrSessionID) {
		t.Error(err)
	}
}

// FuzzImportSessions: whatever comes from the other process is taken or refused, and what
// is taken can be handed on.
func FuzzImportSessions(f *testing.F) {
	on := newTransport(newHub(f, nil, &hub.Options{}), &Options{Logger: quiet()})
	id := strings.Repeat("a", 26)
	if err := on.restore(&movedSession{
		id: id, secret: id, client: "app/2", connect: 7, identity: &access.Identity{Kind: access.Token, User: "ann", Expires: time.Now().Add(time.Hour)},
		state: dialect.SessionState{Newest: 9, Forgotten: 3, Messages: "E:1", Replies: []dialect.StateReply{{ID: 4, Reply: []byte(`{"id":4}`)}, {ID: 5}}},
	}, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(exported(f, on))
	f.Fuzz(func(t *testing.T, b []byte) {
		on := newTalkTransport(t, nil)
		if on.ImportSessions(bytes.NewReader(b), 0) != nil {
			return
		}
		imported(t, newTalkTransport(t, nil), exported(t, on), 0)
	})
}

// TestMovedSessionIsNotLostBehind: a client that comes back to the process that it has left, over a connection that this
// one has accepted before, is told to come back once more. Another session here would not be the one that waits for it there.
func TestMovedSessionIsNotLostBehind(t *testing.T) {
	old := newTalkTransport(t, nil)
	a, heard := newTalk(t, old, old.newLines(), nil, nil, `{"id":1,"connect":{}}`)
	old.MoveSessions(true)
	a.c.close()
	old.hub.EndSessions(func(*hub.Session) bool { return true }, &hub.Ended{Code: 1001, Reason: "going away"})
	ask := func(method, accept string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, ConnectPath+"?session="+sessionOf(t, replyTo(t, heard, 1)), nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		old.ServeHTTP(w, r)
		return w
	}
	const end = `{"end":{"code":1001,"reason":"going away","reconnect":true}}`
	b, told := newTalk(t, old, old.newLines(), nil, nil, resumption(t, 2, replyTo(t, heard, 1)))
	if len(told) != 2 || !strings.Contains(told[0], `"id":2,"error":{"type":"https://godwit.io/problems/shutting-down"`) || !strings.HasPrefix(told[1], end) || !b.isOver || old.hub.SessionCount() != 0 {
		t.Errorf("it is told %q, and there are %d sessions", told, old.hub.SessionCount())
	}
	if w := ask("GET", "application/json"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("a poll is answered with %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := ask("GET", "text/event-stream"); w.Code != 200 || !strings.Contains(w.Body.String(), end) {
		t.Errorf("an EventSource is answered with %d %s", w.Code, w.Body)
	}
	// It did not move after all.
	old.MoveSessions(false)
	c, resumed := newTalk(t, old, old.newLines(), nil, nil, resumption(t, 3, replyTo(t, heard, 1)))
	defer c.c.close()
	if got := replyTo(t, resumed, 3); !strings.Contains(got, `"resumed":false`) {
		t.Errorf("connect is answered with %s", got)
	}
	if w := ask("GET", "application/json"); w.Code != 404 {
		t.Errorf("a poll is answered with %d %s", w.Code, w.Body)
	}
}
