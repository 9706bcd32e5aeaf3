package session

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
)

// TestDialogues plays the files of testdata: a line that begins with "!" is what happens,
// "<" is a line of the server, and all others are what comes of it. A "!" has one of
// these words: new, tick, opened, broken, sub, unsub, hold, release, publish, history, rpc, cancel,
// register, unregister, answer, fail, forget, token, hurry, close.
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/*.txt", func(t *testing.T, text string) string { return string(play(t, []byte(text))) })
}

// player plays one dialogue.
type player struct {
	t             *testing.T
	m             *Machine
	now           time.Time
	subs          map[string]*Subscription
	registrations map[string]*Registration
	calls         map[string]*Call // by their methods
	out           bytes.Buffer
}

var begin = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func play(t *testing.T, text []byte) []byte {
	p := &player{t: t, now: begin, subs: make(map[string]*Subscription), registrations: make(map[string]*Registration), calls: make(map[string]*Call)}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&p.out, line)
		case strings.HasPrefix(line, "! "):
			fmt.Fprintln(&p.out, line)
			p.happen(strings.Fields(line[2:]))
			p.show()
		case strings.HasPrefix(line, "< "):
			fmt.Fprintln(&p.out, line)
			if err := p.m.Receive(p.now, []byte(line[2:])); err != nil {
				fmt.Fprintln(&p.out, "  error:", err)
			}
			p.show()
		}
	}
	return p.out.Bytes()
}

func (p *player) happen(words []string) {
	rest := ""
	if len(words) > 1 {
		rest = words[1]
	}
	option := func(name string) string {
		for _, w := range words[1:] {
			if value, ok := strings.CutPrefix(w, name+"="); ok {
				return value
			}
		}
		return ""
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(option(name))
		return n
	}
	switch words[0] {
	case "new":
		p.m = New(Options{Client: "test/1", CanFetch: rest == "tokens", Random: func() float64 { return 0.5 }})
	case "tick":
		if rest != "" {
			d, err := time.ParseDuration(rest)
			if err != nil {
				p.t.Fatal(err)
			}
			p.now = p.now.Add(d)
		} else if d := p.m.Deadline(); d.After(p.now) {
			p.now = d
		}
		fmt.Fprintf(&p.out, "  at %v\n", p.now.Sub(begin))
		p.m.Tick(p.now)
	case "opened":
		p.m.Opened(p.now, rest)
	case "broken":
		c := Cause{Err: errors.New("cut"), Code: uint16(number("code")), Status: number("status"), RetryAfter: time.Duration(number("after")) * time.Second}
		if name := option("problem"); name != "" {
			c.Problem = &Problem{Type: clientproto.ProblemBase + name, Title: name}
		}
		p.m.Broken(p.now, c)
	case "sub":
		s := &Subscription{Channel: rest, Last: number("last"), WithMembers: option("presence") != ""}
		p.subs[rest] = s
		if err := p.m.Subscribe(s); err != nil {
			fmt.Fprintln(&p.out, "  error:", err)
		}
	case "unsub":
		p.m.Unsubscribe(p.subs[rest])
	case "hold":
		p.m.Hold(p.subs[rest])
	case "release":
		p.m.Release(p.subs[rest])
	case "publish":
		p.m.Do(clientproto.Command{Verb: clientproto.Publish, Channel: rest, Kind: hub.Text, Data: []byte(option("data")), Idempotency: option("key")}, uint64(number("ticket")))
	case "history":
		p.m.Do(clientproto.Command{Verb: clientproto.History, Channel: rest, Last: 1}, uint64(number("ticket")))
	case "rpc":
		p.m.Do(clientproto.Command{Verb: clientproto.RPC, Method: rest, Kind: hub.JSON, Data: []byte("1")}, uint64(number("ticket")))
	case "cancel":
		p.m.Cancel(uint64(number("ticket")))
	case "register":
		r := &Registration{Method: rest, Concurrency: number("concurrency")}
		p.registrations[rest] = r
		if err := p.m.Register(r); err != nil {
			fmt.Fprintln(&p.out, "  error:", err)
		}
	case "unregister":
		p.m.Unregister(p.registrations[rest])
	case "answer":
		p.m.Answer(p.calls[rest], hub.Text, []byte(option("data")), nil, uint64(number("ticket")))
	case "fail":
		p.m.Answer(p.calls[rest], 0, nil, &clientproto.Failure{Type: "t", Title: option("title")}, uint64(number("ticket")))
	case "forget":
		p.m.Forget(p.calls[rest])
	case "token":
		if rest == "" {
			p.m.Refresh(p.now, "", errors.New("no token to be had"))
		} else {
			p.m.Refresh(p.now, rest, nil)
		}
	case "hurry":
		p.m.Hurry(p.now)
	case "close":
		p.m.Close()
	default:
		p.t.Fatalf("no such word: %s", words[0])
	}
}

// show prints the effects, and what the machine says of itself when it has changed.
func (p *player) show() {
	e := p.m.Take()
	for _, line := range e.Send {
		if _, err := clientproto.ParseCommand(line); err != nil {
			p.t.Errorf("%s: %v", line, err)
		}
		fmt.Fprintf(&p.out, "  > %s\n", line)
	}
	for _, d := range e.Events {
		to := "user"
		if d.To != nil {
			to = d.To.Channel
		}
		switch {
		case d.Message != nil:
			fmt.Fprintf(&p.out, "  to %s: %s %s %q\n", to, d.Message.Channel, d.Message.Position, d.Message.Data)
		case d.Gap != nil:
			fmt.Fprintf(&p.out, "  to %s: gap of %s from %q to %q, %s\n", to, d.Gap.Channel, d.Gap.From, d.Gap.To, d.Gap.Reason)
		case d.Behind != nil:
			fmt.Fprintf(&p.out, "  to %s: behind in %q: %v %s\n", to, d.Behind.Channel, d.Behind.Is, d.Behind.Detail)
		case d.Members != nil:
			fmt.Fprintf(&p.out, "  to %s: members: %d joined, %d left, count %d, version %d after %d\n", to, len(d.Members.Joined), len(d.Members.Left), d.Members.Count, d.Members.Version, d.Members.Previous)
		case d.Began != nil:
			fmt.Fprintf(&p.out, "  to %s: began at %q\n", to, d.Began.Position)
		default:
			fmt.Fprintf(&p.out, "  to %s: over: %v\n", to, d.Err)
		}
	}
	for _, a := range e.Answering {
		switch {
		case a.Began:
			fmt.Fprintf(&p.out, "  %s: calls may come\n", a.To.Method)
		case a.Call != nil:
			p.calls[a.Call.Method] = a.Call
			fmt.Fprintf(&p.out, "  %s: call of %s by %q in %s: %q within %v\n", a.To.Method, a.Call.Method, a.Call.User, a.Call.Session, a.Call.Data, a.Call.Timeout)
		case a.Over != nil:
			fmt.Fprintf(&p.out, "  %s: call of %s needs no answer: %v\n", a.To.Method, a.Over.Method, a.Why)
		default:
			fmt.Fprintf(&p.out, "  %s: over: %v\n", a.To.Method, a.Err)
		}
	}
	for _, o := range e.Outcomes {
		fmt.Fprintf(&p.out, "  ticket %d: %s %v\n", o.Ticket, o.OK, o.Err)
	}
	if e.Dial {
		fmt.Fprintln(&p.out, "  dial")
	}
	if e.Drop {
		fmt.Fprintln(&p.out, "  drop")
	}
	if e.Finish {
		fmt.Fprintln(&p.out, "  finish")
	}
	if e.Token != "" {
		fmt.Fprintln(&p.out, "  token:", e.Token)
	}
	if e.Changed {
		fmt.Fprintf(&p.out, "  %v", p.m.State())
		if p.m.State() == Waiting {
			fmt.Fprintf(&p.out, " until %v", p.m.RetryAt().Sub(begin))
		}
		if err := p.m.Err(); err != nil && p.m.State() != Open {
			fmt.Fprintf(&p.out, ": %v", err)
		}
		fmt.Fprintln(&p.out)
	}
}
