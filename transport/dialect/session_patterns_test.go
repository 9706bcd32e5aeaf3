package dialect

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

var sessionOptions = &SessionOptions{
	Heartbeat: 15 * time.Second, ConnectTimeout: 10 * time.Second, PingInterval: 25 * time.Second,
	Reconnect: options.Reconnect,
	Describe:  func(err error) Failure { return Failure{Problem: clientproto.ProblemBroker, Detail: err.Error()} },
}

// patternSession is a session that has connected, and what it has said since.
type patternSession struct {
	*Session
	t   *testing.T
	now time.Time
	out Effects
}

func openPatternSession(t *testing.T, s *Session) *patternSession {
	p := &patternSession{Session: s, t: t, now: epoch}
	s.Begin(p.now, &p.out)
	p.say(`{"id":1,"connect":{"messages":false}}`)
	s.Connected(p.now, &Connected{Tag: 1, Session: "s", Secret: "t"}, &p.out)
	p.heard()
	return p
}

func (p *patternSession) say(line string) { p.Receive(p.now, Frame{Data: []byte(line)}, &p.out) }

func (p *patternSession) push(list ...hub.Push) { p.Push(p.now, list, &p.out) }

// heard returns what was sent since, a line each.
func (p *patternSession) heard() (lines []string) {
	for _, frame := range p.out.Frames {
		for line := range strings.Lines(string(frame)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	p.out = Effects{}
	return lines
}

// begun is the outcome of a subscription to a pattern.
func begun(tag uint64, pattern string) hub.Push {
	return hub.Push{Channel: pattern, Outcome: &hub.Outcome{Tag: tag, Command: hub.CommandSubscribe, Channel: pattern, Vector: &hub.Vector{Began: epoch, Until: epoch}}}
}

func deliveredIn(channel string, n uint64) hub.Push {
	return hub.Push{Channel: channel, Delivery: &hub.Delivery{Publication: &hub.Publication{Channel: channel, Position: at(n), Time: epoch, Data: []byte("x")}}}
}

// vectorsIn are the vectors that were pushed, by pattern.
func vectorsIn(t *testing.T, lines []string) map[string]*hub.Vector {
	t.Helper()
	vectors := make(map[string]*hub.Vector)
	for _, line := range lines {
		var o struct {
			Vector struct{ Channel, Vector string }
		}
		if !strings.HasPrefix(line, `{"vector"`) {
			continue
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		v, err := hub.ParseVector(o.Vector.Vector)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		vectors[o.Vector.Channel] = v
	}
	return vectors
}

// TestSessionFollowsPatterns: a publication that is pushed once stands in the vector of
// each pattern that matches it, and the vectors are told once a second.
func TestSessionFollowsPatterns(t *testing.T) {
	s := openPatternSession(t, NewSessionLines(sessionOptions))
	s.say(`{"id":2,"subscribe":{"channel":"a/**"}}`)
	s.say(`{"subscribe":{"channel":"*/b"}}`)
	if len(s.out.Commands) != 2 || s.out.Commands[0].Channel != "a/**" {
		t.Fatalf("%+v", s.out.Commands)
	}
	silent := s.out.Commands[1].Tag
	s.push(begun(2, "a/**"), begun(silent, "*/b"))
	lines := s.heard()
	if len(lines) != 1 || !strings.HasPrefix(lines[0], `{"id":2,"ok":{"vector":"`) {
		t.Fatalf("the reply is %q", lines)
	}
	s.push(deliveredIn("a/b", 3), deliveredIn("a/c", 4), deliveredIn("other", 9))
	lines = s.heard()
	vectors := vectorsIn(t, lines)
	if len(lines) != 5 || vectors["a/**"].Positions["a/b"] != at(3) || vectors["a/**"].Positions["a/c"] != at(4) || len(vectors["a/**"].Positions) != 2 ||
		len(vectors["*/b"].Positions) != 1 || vectors["*/b"].Positions["a/b"] != at(3) {
		t.Errorf("heard %q", lines)
	}
	s.now = s.now.Add(999 * time.Millisecond)
	s.push(deliveredIn("a/c", 5))
	if lines = s.heard(); len(lines) != 1 {
		t.Errorf("within a second: %q", lines)
	}
	s.now = s.now.Add(time.Millisecond)
	s.push(hub.Push{Channel: "a/c", Gap: &hub.Gap{From: at(5), To: at(7)}}, hub.Push{Channel: "a/**", Gap: &hub.Gap{Reason: hub.GapDropped, Count: 2}})
	lines = s.heard()
	if vectors = vectorsIn(t, lines); len(vectors) != 1 || vectors["a/**"].Positions["a/c"] != at(7) {
		t.Errorf("after a second: %q", lines)
	}
	if want := `{"gap":{"channel":"a/**","from":null,"to":null,"reason":"dropped","count":2}}`; lines[1] != want {
		t.Errorf("a gap of the pattern is %s, want %s", lines[1], want)
	}

	// Another carrier goes on from there.
	next := &patternSession{Session: NewSessionPoll(sessionOptions, time.Minute), t: t, now: s.now.Add(time.Second)}
	next.Adopt(s.Session, false)
	next.Begin(next.now, &next.out)
	next.push(deliveredIn("a/d", 1))
	page := strings.Join(next.heard(), "")
	_, vector, _ := strings.Cut(page, `{"vector":{"channel":"a/**","vector":"`)
	vector, _, _ = strings.Cut(vector, `"`)
	if v, err := hub.ParseVector(vector); err != nil || v.Positions["a/c"] != at(7) || v.Positions["a/d"] != at(1) {
		t.Errorf("the page is %s: %v %v", page, v, err)
	}

	s.say(`{"unsubscribe":{"channel":"*/b"}}`)
	s.push(hub.Push{Channel: "*/b", Outcome: &hub.Outcome{Tag: s.out.Commands[0].Tag, Command: hub.CommandUnsubscribe, Channel: "*/b"}})
	if lines = s.heard(); len(lines) != 0 {
		t.Errorf("a command without an id was answered with %q", lines)
	}
	s.now = s.now.Add(time.Hour)
	s.push(deliveredIn("a/b", 8))
	if vectors = vectorsIn(t, s.heard()); len(vectors) != 1 || vectors["a/**"] == nil {
		t.Errorf("after unsubscribe: %v", vectors)
	}
	// While it is quiet, and nothing is on its way, the time goes on.
	s.SetCaughtUp(true)
	s.now = s.now.Add(2 * time.Minute)
	s.Expire(s.now, &s.out)
	if v := vectorsIn(t, s.heard())["a/**"]; v == nil || !v.Until.Equal(s.now) {
		t.Errorf("the heartbeat has %v", v)
	}
	// A session that is resumed says itself what it wants.
	resumed := NewSessionLines(sessionOptions)
	resumed.Adopt(s.Session, true)
	if resumed.patterns != nil {
		t.Error("a session that is resumed follows the patterns of the connection before")
	}
}

// TestSessionRefusesVectors that are none.
func TestSessionRefusesVectors(t *testing.T) {
	s := openPatternSession(t, NewSessionLines(sessionOptions))
	good := (&hub.Vector{Began: epoch, Until: epoch, Positions: map[string]hub.Position{"a/b": at(3)}}).String()
	s.say(`{"id":2,"subscribe":{"channel":"a/**","since":"` + good + `"}}`)
	if c := s.out.Commands; len(c) != 1 || c[0].Subscribe.Vector.Positions["a/b"] != at(3) {
		t.Errorf("%+v", c)
	}
	s.heard()
	s.say(`{"id":3,"subscribe":{"channel":"a/**","since":"` + good[:len(good)-2] + `"}}`)
	if lines := s.heard(); len(lines) != 1 || !strings.Contains(lines[0], `/bad-position"`) || !strings.Contains(lines[0], "since is no vector: ") {
		t.Errorf("heard %q", lines)
	}
}
