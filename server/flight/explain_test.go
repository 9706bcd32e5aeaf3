package flight

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
)

// scene is a hub and its Recorder, for one case.
type scene struct {
	t     *testing.T
	r     *Recorder
	h     *hub.Hub
	names map[string]string // of sessions, by what they are called here
}

func newScene(t *testing.T, o hub.Options) *scene {
	s := &scene{t: t, r: New(DefaultBytes), names: make(map[string]string)}
	s.h = newHub(t, s.r, o)
	return s
}

// session opens one.
func (s *scene) session(name, user string) *hub.Session {
	made := connect(s.t, s.h, user)
	s.names[name] = made.ID()
	return made
}

// publish publishes n times and returns the newest position.
func (s *scene) publish(n int) (p hub.Position) {
	for range n {
		p = publish(s.t, s.h, hub.Message{Channel: "chat", Data: []byte("x")})
	}
	return p
}

func (s *scene) of(session *hub.Session, at hub.Position) Question {
	return Question{Session: session.ID(), Channel: "chat", Position: at}
}

// forget has the Recorder forget all that it knows.
func (s *scene) forget() {
	for s.r.turns.stats().Evicted < uint64(s.r.turns.segmentsMax) {
		s.r.add(largest(Resumed))
	}
	for range 2 * DefaultBytes / 1000 {
		s.r.add(largest(Resumed))
	}
}

func before(p hub.Position, n uint64) hub.Position {
	return hub.Position{Epoch: p.Epoch, Offset: p.Offset - n}
}

func subscribed(s *hub.Session, o hub.SubscribeOptions) *hub.Session {
	s.Subscribe(0, "chat", o)
	return s
}

var denied = &access.Refusal{Cause: access.Denied, Reason: "no grant to subscribe to chat"}

// scenes are all outcomes, in all their sentences.
var scenes = []struct {
	name string
	o    hub.Options
	play func(*scene) Question
}{
	{"given", hub.Options{}, func(s *scene) Question {
		s.publish(2)
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(3)
		take(s.t, ann)
		return s.of(ann, before(p, 1))
	}},
	{"given, to somebody whose connection ended", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, ann)
		s.r.Disconnect(ann.ID(), 1006, "no close frame")
		ann.Close()
		return s.of(ann, p)
	}},
	{"given, as far as can be seen", hub.Options{Retention: hub.Retention{Count: 1}}, func(s *scene) Question {
		guest := subscribed(s.session("one", ""), hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, guest)
		s.publish(1)
		return s.of(guest, p)
	}},
	{"given, as far as can be seen, to somebody without their own", hub.Options{Retention: hub.Retention{Count: 1}}, func(s *scene) Question {
		guest := subscribed(s.session("one", ""), hub.SubscribeOptions{ExcludeSelf: true})
		p := s.publish(1)
		take(s.t, guest)
		s.publish(1)
		return s.of(guest, p)
	}},
	{"given, to the second of a user's sessions", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(1)
		ann.Close()
		take(s.t, subscribed(s.session("two", "ann"), hub.SubscribeOptions{Last: 5}))
		return Question{User: "ann", Channel: "chat", Position: p}
	}},
	{"given, and lost a carrier", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, ann)
		s.r.Suspend(ann.ID(), 1006, "no close frame")
		return s.of(ann, p)
	}},
	{"own", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{ExcludeSelf: true})
		p := publish(s.t, s.h, hub.Message{Channel: "chat", Data: []byte("x"), Publisher: ann.ID()})
		return s.of(ann, p)
	}},
	{"excluded", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := publish(s.t, s.h, hub.Message{Channel: "chat", Data: []byte("x"), Attributes: &hub.Attributes{Exclude: ann.ID()}})
		return s.of(ann, p)
	}},
	{"lost", hub.Options{Retention: hub.Retention{Count: 2}}, func(s *scene) Question {
		p := s.publish(6)
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{Since: before(p, 5)})
		take(s.t, ann)
		return s.of(ann, before(p, 3))
	}},
	{"expired", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := publish(s.t, s.h, hub.Message{Channel: "chat", Data: []byte("x"), Attributes: &hub.Attributes{Expires: time.Now()}})
		take(s.t, ann)
		return s.of(ann, p)
	}},
	{"conflated", hub.Options{}, gapped(hub.GapConflated, 2)},
	{"dropped", hub.Options{}, gapped(hub.GapDropped, 3)},
	{"rate", hub.Options{}, gapped(hub.GapRate, 0)},
	{"waiting in the queue", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.publish(1)
		take(s.t, ann)
		return s.of(ann, s.publish(2))
	}},
	{"waiting for one", hub.Options{}, func(s *scene) Question {
		return s.of(subscribed(s.session("one", "ann"), hub.SubscribeOptions{}), s.publish(1))
	}},
	{"waiting for history", hub.Options{QueueCountMax: 1}, func(s *scene) Question {
		return s.of(subscribed(s.session("one", "ann"), hub.SubscribeOptions{}), s.publish(3))
	}},
	{"waiting for a carrier", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.r.Suspend(ann.ID(), 0, "the client went away")
		return s.of(ann, s.publish(1))
	}},
	{"a carrier again", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.r.Suspend(ann.ID(), 0, "the client went away")
		s.r.Resume(ann.ID(), "sse")
		return s.of(ann, s.publish(1))
	}},
	{"published while it waited", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		had := s.publish(2)
		take(s.t, ann)
		s.r.Disconnect(ann.ID(), 1006, "no close frame")
		s.r.Suspend(ann.ID(), 0, "")
		ann.Suspend()
		p := s.publish(1)
		s.r.Resume(ann.ID(), "session")
		ann.Subscribe(0, "chat", hub.SubscribeOptions{Since: had})
		take(s.t, ann)
		return s.of(ann, p)
	}},
	{"given before it was resumed", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		first, had := s.publish(1), s.publish(1)
		take(s.t, ann)
		s.r.Suspend(ann.ID(), 1006, "no close frame")
		ann.Suspend()
		s.r.Resume(ann.ID(), "session")
		ann.Subscribe(0, "chat", hub.SubscribeOptions{Since: had})
		take(s.t, ann)
		return s.of(ann, first)
	}},
	{"waited in vain", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.publish(1)
		take(s.t, ann)
		s.r.Disconnect(ann.ID(), 1006, "no close frame")
		s.r.Suspend(ann.ID(), 0, "")
		ann.Suspend()
		p := s.publish(1)
		ann.End(&hub.Ended{Reason: "its client did not come back within 30s"})
		ann.Close()
		return s.of(ann, p)
	}},
	{"connection ended", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.publish(1)
		take(s.t, ann)
		s.r.Disconnect(ann.ID(), 1006, "no close frame")
		ann.Close()
		return s.of(ann, s.publish(1))
	}},
	{"ended by the server", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(1)
		ann.End(&hub.Ended{Code: 4403, Reason: "session ended by the server"})
		ann.Close()
		return s.of(ann, p)
	}},
	{"a guest left", hub.Options{}, func(s *scene) Question {
		guest := subscribed(s.session("one", ""), hub.SubscribeOptions{})
		guest.Close()
		return s.of(guest, s.publish(1))
	}},
	{"came back, and did not subscribe", hub.Options{}, func(s *scene) Question {
		subscribed(s.session("one", "ann"), hub.SubscribeOptions{}).Close()
		p := s.publish(1)
		s.session("two", "ann")
		return Question{User: "ann", Channel: "chat", Position: p}
	}},
	{"denied", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		s.r.Refuse(ann.ID(), "ann", access.Subscribe, "chat", denied)
		return s.of(ann, s.publish(1))
	}},
	{"denied before there was a session", hub.Options{}, func(s *scene) Question {
		s.r.Refuse("", "ann", access.Subscribe, "chat", denied)
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
	{"denied the second time", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		ann.Unsubscribe(0, "chat")
		s.r.Refuse(ann.ID(), "ann", access.Subscribe, "chat", denied)
		return s.of(ann, s.publish(1))
	}},
	{"ended, and denied when coming back", hub.Options{}, func(s *scene) Question {
		subscribed(s.session("one", "ann"), hub.SubscribeOptions{}).Close()
		s.r.Refuse("", "ann", access.Subscribe, "chat", denied)
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
	{"denied, and then not", hub.Options{}, func(s *scene) Question {
		s.r.Refuse("", "ann", access.Subscribe, "chat", denied)
		subscribed(s.session("one", "ann"), hub.SubscribeOptions{}).Close()
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
	{"denied, on another session", hub.Options{}, func(s *scene) Question {
		s.session("one", "ann")
		s.r.Refuse("", "ann", access.Subscribe, "chat", denied)
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
	{"not subscribed", hub.Options{}, func(s *scene) Question { return s.of(s.session("one", "ann"), s.publish(1)) }},
	{"not any more", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		ann.Unsubscribe(0, "chat")
		return s.of(ann, s.publish(1))
	}},
	{"not in between", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		ann.Unsubscribe(0, "chat")
		p := s.publish(1)
		subscribed(ann, hub.SubscribeOptions{})
		return s.of(ann, p)
	}},
	{"by a pattern", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		ann.Subscribe(0, "*", hub.SubscribeOptions{})
		ann.Subscribe(0, "chat/*", hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, ann)
		return s.of(ann, p)
	}},
	{"by a pattern, as far as may be known", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		ann.Subscribe(0, "*", hub.SubscribeOptions{})
		return Question{User: "ann", Channel: "chat", Position: s.publish(1), OnlyChannel: true}
	}},
	{"by a pattern, since a time that is forgotten", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		ann.Subscribe(0, "*", hub.SubscribeOptions{})
		s.forget()
		s.r.skew = 0
		return s.of(ann, s.publish(1))
	}},
	{"by a pattern, and by its name later", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		ann.Subscribe(0, "**", hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, ann)
		return s.of(subscribed(ann, hub.SubscribeOptions{}), p)
	}},
	{"by a pattern, but not any more", hub.Options{}, func(s *scene) Question {
		s.r.skew = 0
		ann := s.session("one", "ann")
		ann.Subscribe(0, "*", hub.SubscribeOptions{})
		ann.Unsubscribe(0, "*")
		return s.of(ann, s.publish(1))
	}},
	{"by a pattern, until it ended", hub.Options{}, func(s *scene) Question {
		s.r.skew = 0
		ann := s.session("one", "ann")
		ann.Subscribe(0, "*", hub.SubscribeOptions{})
		ann.Close()
		return s.of(ann, s.publish(1))
	}},
	{"not yet", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		p := s.publish(1)
		return s.of(subscribed(ann, hub.SubscribeOptions{}), p)
	}},
	{"offline until later", hub.Options{}, func(s *scene) Question {
		p := s.publish(1)
		return s.of(subscribed(s.session("one", "ann"), hub.SubscribeOptions{}), p)
	}},
	{"never there", hub.Options{}, func(s *scene) Question {
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
	{"no such session", hub.Options{}, func(s *scene) Question {
		return Question{Session: "nonsuch", Channel: "chat", Position: s.publish(1)}
	}},
	{"never there, as far as may be known", hub.Options{}, func(s *scene) Question {
		s.session("one", "ann")
		return Question{User: "ann", Channel: "chat", Position: s.publish(1), OnlyChannel: true}
	}},
	{"ended, as far as may be known", hub.Options{}, func(s *scene) Question {
		subscribed(s.session("one", "ann"), hub.SubscribeOptions{}).Close()
		s.session("two", "ann")
		return Question{User: "ann", Channel: "chat", Position: s.publish(1), OnlyChannel: true}
	}},
	{"not published yet", hub.Options{}, func(s *scene) Question {
		p := s.publish(3)
		p.Offset++
		return Question{User: "ann", Channel: "chat", Position: p}
	}},
	{"a place before everything", hub.Options{}, func(s *scene) Question {
		return Question{User: "ann", Channel: "chat", Position: before(s.publish(1), 1)}
	}},
	{"another epoch", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.publish(1)
		return s.of(ann, hub.Position{Epoch: "other", Offset: 7})
	}},
	{"another epoch, announced", hub.Options{}, func(s *scene) Question {
		s.publish(3)
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{Since: hub.Position{Epoch: "other", Offset: 5}})
		take(s.t, ann)
		return s.of(ann, hub.Position{Epoch: "other", Offset: 7})
	}},
	{"forgotten", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(1)
		take(s.t, ann)
		s.forget()
		return s.of(ann, p)
	}},
	{"forgotten, but newer than that", hub.Options{}, func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		s.forget()
		s.r.skew = 0
		p := s.publish(1)
		take(s.t, ann)
		return s.of(ann, p)
	}},
	{"forgotten, and not subscribed", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		p := s.publish(1)
		s.forget()
		return s.of(ann, p)
	}},
	{"forgotten, and not subscribed since", hub.Options{}, func(s *scene) Question {
		ann := s.session("one", "ann")
		s.forget()
		s.r.skew = 0
		return s.of(ann, s.publish(1))
	}},
	{"forgotten altogether", hub.Options{}, func(s *scene) Question {
		s.session("one", "ann").Close()
		p := s.publish(1)
		s.forget()
		return Question{User: "ann", Channel: "chat", Position: p}
	}},
	{"gone before what is remembered", hub.Options{}, func(s *scene) Question {
		s.session("one", "ann").Close()
		s.forget()
		s.r.skew = 0
		return Question{User: "ann", Channel: "chat", Position: s.publish(1)}
	}},
}

// gapped is a gap of some reason, of three positions.
func gapped(reason hub.GapReason, count int) func(*scene) Question {
	return func(s *scene) Question {
		ann := subscribed(s.session("one", "ann"), hub.SubscribeOptions{})
		p := s.publish(5)
		state, _ := ann.Subscription("chat")
		m := state.Milestone
		m.Gap = &hub.Gap{From: before(p, 4), To: before(p, 1), Reason: reason, Count: count}
		var o hub.Observer
		s.r.Observe(&o)
		o.Gapped(ann, m)
		o.Unsubscribed(ann, hub.Milestone{Channel: "chat", Since: m.Since, Position: p})
		return s.of(ann, before(p, 2))
	}
}

var (
	times  = regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{3} UTC`)
	epochs = regexp.MustCompile(`[A-Z2-7]{10}:`)
)

// plain is a text in which nothing is by chance.
func (s *scene) plain(text string) string {
	for name, id := range s.names {
		text = strings.ReplaceAll(strings.ReplaceAll(text, id, name), short(id), name)
	}
	return epochs.ReplaceAllString(times.ReplaceAllString(text, "TIME"), "e:")
}

func TestSentences(t *testing.T) {
	const path = "testdata/sentences.txt"
	var b strings.Builder
	seen := map[Outcome]bool{}
	for _, c := range scenes {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c.o)
			q := c.play(s)
			a := explain(t, s.r, s.h, q)
			seen[a.Outcome] = true
			fmt.Fprintf(&b, "%s\n----\n%s: %s\n\n", c.name, a.Outcome, s.plain(a.Text))
		})
	}
	for _, o := range Outcomes() {
		if !seen[o] {
			t.Errorf("no sentence is about %s", o)
		}
	}
	golden.Compare(t, path, b.String())
}

// A name that is none is refused, and so is a question that nobody waits for.
func TestExplainFails(t *testing.T) {
	s := newScene(t, hub.Options{})
	var name *hub.NameError
	if _, err := s.r.Explain(t.Context(), s.h, Question{User: "ann", Channel: "/"}); !errors.As(err, &name) {
		t.Errorf("of a channel that is none: %v", err)
	}
	_ = s.h.Close()
	if _, err := s.r.Explain(context.Background(), s.h, Question{User: "ann", Channel: "chat"}); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// An answer has the newest sessions, and says how many more there are.
func TestAnswersAreBounded(t *testing.T) {
	s := newScene(t, hub.Options{})
	for range SessionsMax + 7 {
		subscribed(s.session("", "ann"), hub.SubscribeOptions{}).Close()
	}
	last := s.session("last", "ann")
	for range 3 * eventsMax {
		last.Subscribe(0, "chat", hub.SubscribeOptions{})
		last.Unsubscribe(0, "chat")
	}
	r := explain(t, s.r, s.h, Question{User: "ann", Channel: "chat", Position: s.publish(1)}).Report()
	if len(r.Sessions) != SessionsMax || r.Left != 8 || r.Sessions[0].Session != last.ID() || !r.Sessions[0].IsOpen || r.Sessions[1].IsOpen {
		t.Errorf("%d sessions, %d left", len(r.Sessions), r.Left)
	}
	if first := r.Sessions[0]; len(first.Events) != eventsMax || first.EventsLeft != 4*eventsMax+2*eventsMax+1-eventsMax {
		t.Errorf("%d events, %d left", len(first.Events), first.EventsLeft)
	}
}

// Everything at once, from everywhere: what is given is explained as given.
func TestConcurrently(t *testing.T) {
	s := newScene(t, hub.Options{QueueCountMax: 20, Retention: hub.Retention{Count: 50}})
	var edges, others sync.WaitGroup
	done := make(chan struct{})
	for i := range 4 {
		woken := make(chan struct{}, 1)
		session, err := s.h.ConnectAs(&access.Identity{User: fmt.Sprint("user", i)}, "sse", func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		edges.Go(func() {
			var last hub.Push
			for n := 0; ; n++ {
				pushes, err := session.Take(nil)
				if err != nil {
					return
				}
				for _, p := range pushes {
					last = p
					if p.Delivery == nil || n%7 != 0 {
						continue
					}
					a, err := s.r.Explain(context.Background(), s.h, s.of(session, p.Delivery.Position))
					if err != nil || a.Outcome != Given && a.Outcome != Unknown {
						t.Errorf("%v was given, and explained as %v (%v)", p.Delivery.Position, a, err)
					}
				}
				if g := last.Gap; g != nil && g.From.Epoch == g.To.Epoch && g.To.Offset > g.From.Offset {
					if a, err := s.r.Explain(context.Background(), s.h, s.of(session, g.To)); err != nil || a.Outcome == Waiting {
						t.Errorf("%v is in a gap, and explained as %v (%v)", g.To, a, err)
					}
				}
				if len(pushes) == 0 {
					select {
					case <-woken:
					case <-done:
						session.Close()
					}
				}
			}
		})
		others.Go(func() {
			for range 100 {
				session.Subscribe(0, "chat", hub.SubscribeOptions{Last: 30})
				s.publish(30)
				session.Unsubscribe(0, "chat")
			}
		})
	}
	others.Wait()
	close(done)
	edges.Wait()
}
