package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// callParty is a session of the model: it asks and answers, and comes and goes.
type callParty struct {
	session *hub.Session
	woken   chan struct{}
	tag     uint64
	waiting map[uint64]string                   // calls by tag, with their data
	given   map[uint64]*hub.IncomingCall        // to be answered
	over    map[uint64]bool                     // of those it was told that they are over, or has answered
	command map[uint64]func(hub.Outcome) string // outcomes of other commands
}

// Sessions come and go, register, ask, cancel, answer, answer late, answer what is not
// theirs and fall silent, and handlers answer, fail and panic: every call has exactly
// one outcome, which is one that it can have, and answers are to the call that was
// asked.
func TestCallsAgainstAModel(t *testing.T) {
	seen := map[string]int{}
	untested := func() (all []string) {
		for by, errs := range map[hub.Answerer][]error{
			hub.NoAnswerer:      {hub.ErrNoMethod, hub.ErrTooManyCalls},
			hub.HandlerAnswerer: {nil, hub.ErrCallTimeout, hub.ErrCanceled, hub.ErrTooManyCalls, hub.ErrAnswererFailed, hub.ErrCallerGone},
			hub.SessionAnswerer: {nil, hub.ErrCallTimeout, hub.ErrCanceled, hub.ErrTooManyCalls, hub.ErrAnswererGone, hub.ErrCallerGone},
		} {
			for _, err := range errs {
				if outcome := fmt.Sprint(by, " ", err); seen[outcome] == 0 {
					all = append(all, outcome)
				}
			}
		}
		return all
	}
	// Which outcomes a run has depends on what happens at the same time. Those that are
	// rare have more runs to come in.
	const runs, runsMax = 30, 600
	ran := 0 // -run may select some
	for seed := uint64(0); seed < runs || seed < runsMax && len(untested()) > 0 && !t.Failed(); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			ran++
			synctest.Test(t, func(t *testing.T) { modelCalls(t, rand.New(rand.NewPCG(seed, 11)), seen) })
		})
	}
	if all := untested(); len(all) > 0 && ran >= runs && !t.Failed() {
		t.Errorf("no call has had the outcomes %q, so they were not tested", all)
	}
	t.Log(seen)
}

func modelCalls(t *testing.T, r *rand.Rand, seen map[string]int) {
	var observed, made, direct, directDone int
	var mu sync.Mutex
	h := newHub(t, nil, &hub.Options{
		CommandsMax: hub.NoLimit, QueueCountMax: 5,
		RPC:    hub.RPC{OpenMax: 25, MethodOpenMax: 12, SessionOpenMax: 8, HandlersMax: 5, Timeout: time.Second},
		Logger: slog.New(slog.DiscardHandler),
		Observer: &hub.Observer{Called: func(by hub.Answerer, err error, _ time.Duration) {
			mu.Lock()
			observed++
			seen[fmt.Sprint(by, " ", err)]++
			mu.Unlock()
		}},
	})
	pause := func() { <-time.After(time.Duration(r.IntN(400)) * time.Millisecond) }
	handle(t, h, "go/run", func(ctx context.Context, c *hub.IncomingCall) (hub.Answer, error) {
		select {
		case <-ctx.Done():
			return hub.Answer{}, ctx.Err()
		case <-time.After(time.Duration(len(c.Data)) * 100 * time.Millisecond):
		}
		switch len(c.Data) % 4 {
		case 0:
			return hub.Answer{}, errors.New("failed")
		case 1:
			panic("oh")
		}
		return hub.Answer{Data: c.Data}, nil
	})
	if _, err := h.HandleAsync("go/later", func(c *hub.IncomingCall, done func(hub.Answer, error)) func() {
		if len(c.Data)%2 == 0 {
			done(hub.Answer{Data: c.Data}, nil)
			done(hub.Answer{}, hub.ErrNoMethod) // is one too many
			return func() { t.Error("what was answered was withdrawn") }
		}
		timer := time.AfterFunc(time.Duration(len(c.Data))*100*time.Millisecond, func() { done(hub.Answer{Data: c.Data}, nil) })
		return func() { timer.Stop() }
	}); err != nil {
		t.Fatal(err)
	}
	may := []error{nil, hub.ErrNoMethod, hub.ErrCallTimeout, hub.ErrCanceled, hub.ErrTooManyCalls, hub.ErrAnswererGone, hub.ErrAnswererFailed}

	var parties []*callParty
	open := func() {
		p := &callParty{woken: make(chan struct{}, 1), waiting: map[uint64]string{}, given: map[uint64]*hub.IncomingCall{}, over: map[uint64]bool{}, command: map[uint64]func(hub.Outcome) string{}}
		var err error
		if p.session, err = h.Connect("model", func() {
			select {
			case p.woken <- struct{}{}:
			default:
			}
		}); err != nil {
			t.Fatal(err)
		}
		parties = append(parties, p)
	}
	take := func(p *callParty) {
		for {
			pushes, err := p.session.Take(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, push := range pushes {
				switch {
				case push.Call != nil && push.Call.Incoming != nil:
					c := push.Call.Incoming
					if p.given[c.ID] != nil || p.over[c.ID] {
						t.Fatalf("call %d was given twice", c.ID)
					}
					p.given[c.ID] = c
				case push.Call != nil:
					if p.given[push.Call.ID] == nil || !slices.Contains([]error{hub.ErrCanceled, hub.ErrCallTimeout, hub.ErrCallerGone}, push.Call.Over) {
						t.Fatalf("%+v is over, which was not open here", push.Call)
					}
					delete(p.given, push.Call.ID)
					p.over[push.Call.ID] = true
				case push.Outcome.Command == hub.CommandCall:
					o := push.Outcome
					data, ok := p.waiting[o.Tag]
					if !ok {
						t.Fatalf("a second outcome of call %d, or one of a call that was not made: %+v", o.Tag, o)
					}
					delete(p.waiting, o.Tag)
					if !slices.Contains(may, o.Err) {
						t.Fatalf("the outcome is %v", o.Err)
					}
					if o.Err == nil && string(o.Answer.Data) != data {
						t.Fatalf("%q was answered with %q", data, o.Answer.Data)
					}
				default:
					check := p.command[push.Outcome.Tag]
					if check == nil {
						t.Fatalf("an outcome of no command: %+v", push.Outcome)
					}
					delete(p.command, push.Outcome.Tag)
					if wrong := check(*push.Outcome); wrong != "" {
						t.Fatal(wrong)
					}
				}
			}
			if len(pushes) == 0 {
				return
			}
		}
	}
	methods := []string{"go/run", "go/later", "s/1", "s/2", "s/2/3", "none"}
	patterns := []string{"s/1", "s/*", "s/**", "s/2/3"}
	for range 1500 {
		if len(parties) == 0 || len(parties) < 8 && r.IntN(20) == 0 {
			open()
		}
		i := r.IntN(len(parties))
		p := parties[i]
		p.tag++
		switch n := r.IntN(100); {
		case n < 2:
			p.session.Close()
			parties = slices.Delete(parties, i, i+1)
		case n < 8:
			p.command[p.tag] = func(o hub.Outcome) string {
				if o.Err != nil && o.Err != hub.ErrRegistered {
					return fmt.Sprint("Register: ", o.Err)
				}
				return ""
			}
			p.session.Register(p.tag, patterns[r.IntN(len(patterns))], hub.RegisterOptions{ConcurrentMax: 1 + r.IntN(5)})
		case n < 11:
			p.command[p.tag] = func(hub.Outcome) string { return "" }
			p.session.Unregister(p.tag, patterns[r.IntN(len(patterns))])
		case n < 45:
			data := fmt.Sprintf("%*d", 1+r.IntN(9), p.tag)
			p.waiting[p.tag] = data
			made++
			p.session.Call(p.tag, hub.Call{Method: methods[r.IntN(len(methods))], Data: []byte(data), Timeout: time.Duration(r.IntN(1000)) * time.Millisecond})
		case n < 50:
			for tag := range p.waiting {
				p.session.CancelCall(tag)
				break
			}
		case n < 53:
			direct++
			cancel := h.BeginCall(nil, hub.Call{Method: methods[r.IntN(len(methods))], Data: []byte("direct")}, func(_ hub.Answer, err error) {
				mu.Lock()
				directDone++
				mu.Unlock()
				if !slices.Contains(may, err) {
					t.Errorf("the outcome is %v", err)
				}
			})
			if r.IntN(3) == 0 {
				cancel()
				cancel()
			}
		case n < 75:
			for id, c := range p.given {
				delete(p.given, id)
				p.over[id] = true
				// It may be over, and the news of that waits to be taken.
				p.command[p.tag] = func(o hub.Outcome) string {
					if o.Err != nil && o.Err != hub.ErrNoCall {
						return fmt.Sprint("AnswerCall: ", o.Err)
					}
					return ""
				}
				p.given[id] = c
				p.session.AnswerCall(p.tag, id, hub.Answer{Data: c.Data})
				break
			}
		case n < 77:
			p.command[p.tag] = func(o hub.Outcome) string {
				if o.Err != hub.ErrNoCall {
					return fmt.Sprint("an answer to nothing: ", o.Err)
				}
				return ""
			}
			p.session.AnswerCall(p.tag, r.Uint64(), hub.Answer{})
		case n < 95:
			take(p)
		default:
			pause()
		}
	}
	for _, p := range parties {
		take(p)
	}
	<-time.After(time.Hour) // whatever is open ends
	for _, p := range parties {
		take(p)
		if len(p.waiting) > 0 || len(p.command) > 0 {
			t.Errorf("%d calls and %d commands have no outcome", len(p.waiting), len(p.command))
		}
		p.session.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if directDone != direct || observed != made+direct {
		t.Errorf("%d of %d calls of the hub have an outcome; %d of %d were observed", directDone, direct, observed, made+direct)
	}
	if s := h.Stats(); s.Calls != 0 || s.Registrations != 0 || s.Handlers != 0 {
		t.Errorf("the hub holds %d calls, %d registrations and %d handlers", s.Calls, s.Registrations, s.Handlers)
	}
}

// All at once, from many goroutines: for the race detector, and nothing is left.
func TestCallsFromManyGoroutines(t *testing.T) {
	h := newHub(t, nil, nil)
	handle(t, h, "go", echo)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 30 {
				woken := make(chan struct{}, 1)
				s, err := h.Connect("test", func() {
					select {
					case woken <- struct{}{}:
					default:
					}
				})
				if err != nil {
					t.Error(err)
					return
				}
				s.Register(0, "s/*", hub.RegisterOptions{})
				open := 0
				for tag := range uint64(20) {
					open++
					s.Call(tag+1, hub.Call{Method: []string{"go", "s/a", "s/b"}[(i+n+int(tag))%3], Data: []byte("x"), Timeout: time.Minute})
					if tag%7 == 0 {
						s.CancelCall(tag)
					}
				}
				for open > 0 && n%5 != 0 {
					pushes, err := s.Take(nil)
					if err != nil {
						t.Error(err)
					}
					for _, p := range pushes {
						switch {
						case p.Call != nil && p.Call.Incoming != nil:
							s.AnswerCall(0, p.Call.ID, hub.Answer{Data: p.Call.Incoming.Data})
						case p.Outcome != nil && p.Outcome.Command == hub.CommandCall:
							open--
						}
					}
					if len(pushes) == 0 {
						<-woken
					}
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if s := h.Stats(); s.Calls != 0 || s.Registrations != 0 {
		t.Errorf("the hub holds %d calls and %d registrations", s.Calls, s.Registrations)
	}
}
