package transport

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/ws"
)

// speaker is the client of a session over a WebSocket.
type speaker struct {
	t       *testing.T
	conn    *ws.Conn
	session string // ID and secret
}

func openSession(t *testing.T, v *venue, header http.Header) *speaker {
	t.Helper()
	conn, _, err := dialAs(t, v, ConnectPath, header)
	if err != nil {
		t.Fatal(err)
	}
	s := &speaker{t: t, conn: conn}
	v.sessions = append(v.sessions, s)
	return s
}

func (s *speaker) say(lines ...string) {
	s.t.Helper()
	if err := s.conn.Write(s.t.Context(), ws.MessageText, []byte(strings.Join(lines, "\n"))); err != nil {
		s.t.Fatal(err)
	}
}

// hear returns the next object that begins with one of the prefixes, or any.
func (s *speaker) hear(prefix string) string {
	s.t.Helper()
	for {
		_, data, err := s.conn.Read(s.t.Context())
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", prefix, err)
		}
		if strings.HasPrefix(string(data), prefix) {
			return string(data)
		}
		if strings.Contains(string(data), `"error"`) {
			s.t.Logf("heard %s", data)
		}
	}
}

// connect begins a session, or goes on with one.
func (s *speaker) connect(resume string) (isResumed bool) {
	s.t.Helper()
	command := `{"id":1,"connect":{}}`
	if id, secret, ok := strings.Cut(resume, "."); ok {
		command = fmt.Sprintf(`{"id":100,"connect":{"resume":{"session":%q,"secret":%q}}}`, id, secret)
	}
	s.say(command)
	reply := s.hear(`{"id":1`)
	s.session = sessionOf(s.t, reply)
	var r struct{ OK struct{ Resumed bool } }
	if err := json.Unmarshal([]byte(reply), &r); err != nil {
		s.t.Fatal(err)
	}
	return r.OK.Resumed
}

func positionOf(t *testing.T, object string) string {
	t.Helper()
	var o struct {
		Position string
		OK       struct{ Position string }
	}
	if err := json.Unmarshal([]byte(object), &o); err != nil {
		t.Fatal(err)
	}
	return o.Position + o.OK.Position
}

// TestSessionsOutliveTheirCarriers: what was published while a session had none, and
// what was lost with the one before, comes once and in order.
func TestSessionsOutliveTheirCarriers(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		a := openSession(t, v, nil)
		a.connect("")
		a.say(`{"id":2,"subscribe":{"channel":"chat"}}`, `{"id":3,"publish":{"channel":"chat","data":"one"}}`)
		first := positionOf(t, a.hear(`{"channel":"chat"`))
		_ = a.conn.CloseNow() // the network has gone

		other := openSession(t, v, nil)
		other.connect("")
		other.say(`{"id":2,"publish":{"channel":"chat","data":"two"}}`)
		other.hear(`{"id":2,"ok"`)

		b := openSession(t, v, nil)
		if !b.connect(a.session) {
			t.Fatal("the session was not resumed")
		}
		if b.session != a.session {
			t.Errorf("it goes on as %s, and was %s", b.session, a.session)
		}
		b.say(fmt.Sprintf(`{"id":101,"subscribe":{"channel":"chat","since":%q}}`, first), `{"id":3,"publish":{"channel":"chat","data":"one"}}`)
		repeated := b.hear(`{"id":3`)
		if positionOf(t, repeated) != first {
			t.Errorf("a publication that was sent again was answered with %s; it was %s", repeated, first)
		}
		if got := b.hear(`{"channel":"chat"`); !strings.HasSuffix(got, `"data":"two"}`) {
			t.Errorf("it goes on with %s", got)
		}

		// Another connection takes the session over while the first is open.
		c := openSession(t, v, nil)
		if !c.connect(b.session) {
			t.Error("the session was not taken over")
		}
		if end := b.hear(`{"end"`); !strings.Contains(end, "4409") {
			t.Errorf("the one that lost it was told %s", end)
		}
		_ = c.conn.Close(ws.StatusNormal, "") // a goodbye
		id, _, _ := strings.Cut(c.session, ".")
		until(t, "the end of the session", func() bool { return v.transport.hub.FindSession(id) == nil })
		d := openSession(t, v, nil)
		if d.connect(c.session) {
			t.Error("a session that was closed goes on")
		}
	})
}

// TestSessionsCallEachOther: one asks, another answers.
func TestSessionsCallEachOther(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		answerer, caller := openSession(t, v, nil), openSession(t, v, nil)
		answerer.connect("")
		answerer.say(`{"id":2,"register":{"method":"sum/*"}}`)
		answerer.hear(`{"id":2,"ok"`)
		caller.connect("")
		caller.say(`{"id":2,"rpc":{"method":"sum/all","data":[1,2]}}`)
		call := answerer.hear(`{"call"`)
		var c struct {
			Call struct {
				ID   uint64
				Data []int
			}
		}
		if err := json.Unmarshal([]byte(call), &c); err != nil || len(c.Call.Data) != 2 {
			t.Fatalf("%v in %s", err, call)
		}
		answerer.say(fmt.Sprintf(`{"id":3,"answer":{"call":%d,"data":3}}`, c.Call.ID))
		if got := caller.hear(`{"id":2`); got != `{"id":2,"ok":{"data":3}}` {
			t.Errorf("the answer is %s", got)
		}
		caller.say(`{"id":3,"rpc":{"method":"unknown"}}`)
		if got := caller.hear(`{"id":3`); !strings.Contains(got, "unknown-method") {
			t.Errorf("the answer is %s", got)
		}
	})
}

// TestDigestSaysWhetherAClientConverged: a client with the same publications
// computes the same digest.
func TestDigestOfTheSame(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		s := openSession(t, v, nil)
		s.connect("")
		s.say(`{"id":2,"publish":{"channel":"d","data":"a"}}`, `{"id":3,"publish":{"channel":"d","data":"b"}}`,
			`{"id":4,"digest":{"channel":"d","last":2}}`, `{"id":5,"digest":{"channel":"d","last":2}}`, `{"id":6,"digest":{"channel":"d","last":1}}`)
		a, b, c := s.hear(`{"id":4`), s.hear(`{"id":5`), s.hear(`{"id":6`)
		if a[len(`{"id":4`):] != b[len(`{"id":5`):] || !strings.Contains(a, `"count":2`) {
			t.Errorf("%s\n%s", a, b)
		}
		if a[len(a)-70:] == c[len(c)-70:] {
			t.Errorf("another one has the same digest: %s", c)
		}
	})
}

// inVenues runs a test over every carrier of WebSockets.
func inVenues(t *testing.T, test func(*testing.T, *venue)) {
	for _, c := range carriers {
		if c.name == "HTTP2" {
			continue // net/http has no WebSocket there
		}
		run := func(t *testing.T) {
			h := newHub(t, nil, nil)
			v := c.serve(t, h, Options{Logger: quiet()})
			defer v.close()
			defer func() { _ = h.Shutdown(t.Context()) }()
			defer func() {
				for _, s := range v.sessions {
					_ = s.conn.CloseNow()
				}
			}()
			test(t, v)
			v.client.CloseIdleConnections()
		}
		t.Run(c.name, func(t *testing.T) {
			if c.isVirtual {
				synctest.Test(t, run)
				return
			}
			run(t)
		})
	}
}
