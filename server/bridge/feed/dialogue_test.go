package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/internal/jsonpointer"
)

var begin = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

// written is a Spec as dialogues have it.
type written struct {
	First         []string
	Failures      []string
	Ping          string
	ChannelsMax   int
	Subscriptions []struct {
		Send, Channel, Data, Event, Key, ID string
		Match, Ignore                       []string
	}
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func specOf(t testing.TB, text string) *Spec {
	t.Helper()
	var w written
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		t.Fatal(err)
	}
	s := &Spec{Name: "eth", AnswerTimeout: 10 * time.Second, RetryMin: time.Second, RetryMax: 4 * time.Second, ChannelsMax: w.ChannelsMax, PingEach: 20 * time.Second}
	if s.ChannelsMax == 0 {
		s.ChannelsMax = 100
	}
	if w.Ping != "" {
		s.Ping = []byte(w.Ping)
	}
	request, filter, template := must[Request](t), must[Filter](t), must[Template](t)
	for _, text := range w.First {
		s.First = append(s.First, request(ParseRequest(text)))
	}
	for _, text := range w.Failures {
		s.Failures = append(s.Failures, filter(ParseFilter(text)))
	}
	for _, ws := range w.Subscriptions {
		sub := Subscription{
			Channel: must[Channel](t)(ParseChannel(ws.Channel)), Data: must[jsonpointer.Pointer](t)(jsonpointer.Parse(ws.Data)),
			Event: template(ParseTemplate(ws.Event)), Key: template(ParseTemplate(ws.Key)), ID: template(ParseTemplate(ws.ID)),
		}
		if ws.Send != "" {
			sub.Send = request(ParseRequest(ws.Send))
		}
		for _, text := range ws.Match {
			sub.Match = append(sub.Match, filter(ParseFilter(text)))
		}
		for _, text := range ws.Ignore {
			sub.Ignore = append(sub.Ignore, filter(ParseFilter(text)))
		}
		s.Subscriptions = append(s.Subscriptions, sub)
	}
	return s
}

// dialogue is a Machine in a conversation that is written down.
type dialogue struct {
	t     *testing.T
	now   time.Time
	m     *Machine
	holds bool // outcomes are told by the script, instead of at once
	state State
	out   strings.Builder
}

// TestDialogues holds conversations with a Machine: a line each that begins at the margin is what happens, and the lines below are
// what the Machine does about it.
//
//	spec {…}        as written has it
//	known CHANNEL   its newest publication is a minute old
//	connect         disconnect WHY          stop
//	< MESSAGE       binary MESSAGE          long: one that is too long to be read
//	+5s             time passes, and the Machine is told where it wants to be
//	hold            outcomes do not come by themselves any more: ok N, duplicate N, fail N WHY
//	status          what was counted
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/dialogues/*.txt", func(t *testing.T, text string) string {
		d := dialogue{t: t, now: begin}
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "  ") {
				continue
			}
			d.out.WriteString(line + "\n")
			if line != "" && line[0] != '#' {
				d.play(line)
			}
		}
		return d.out.String()
	})
}

func (d *dialogue) play(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	if verb != "spec" && d.m == nil {
		d.t.Fatalf("%q comes before the spec", line)
	}
	ticket := func() (uint64, string) {
		number, why, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			d.t.Fatal(line)
		}
		return n, why
	}
	switch {
	case verb == "spec":
		d.m = New(specOf(d.t, rest), d.now)
		d.state = Connecting
	case verb == "known":
		d.m.Known(rest, d.now.Add(-time.Minute))
	case verb == "connect":
		d.m.Connected(d.now)
	case verb == "disconnect":
		d.m.Disconnected(d.now, rest)
	case verb == "stop":
		d.m.Stopped(d.now)
	case verb == "<":
		d.receive(true, rest)
	case verb == "binary":
		d.receive(false, rest)
	case verb == "long":
		d.m.Missed(d.now)
	case verb == "hold":
		d.holds = true
	case verb == "ok":
		n, _ := ticket()
		d.m.Published(d.now, n, false, nil)
	case verb == "duplicate":
		n, _ := ticket()
		d.m.Published(d.now, n, true, nil)
	case verb == "fail":
		n, why := ticket()
		d.m.Published(d.now, n, false, errors.New(why))
	case verb[0] == '+':
		d.pass(verb[1:])
	case verb == "status":
		s := d.m.Status(d.now)
		fmt.Fprintf(&d.out, "  %d connections, %d gaps, %d channels, %d unanswered for %v", s.Connections, s.Gaps, s.Channels, s.Unanswered, s.Lag)
		for o, n := range s.Messages {
			if n > 0 {
				fmt.Fprintf(&d.out, ", %d %v", n, Outcome(o))
			}
		}
		d.out.WriteString("\n")
	default:
		d.t.Fatalf("%q is nothing that can happen", line)
	}
	d.act()
}

func (d *dialogue) receive(isText bool, message string) {
	if o, detail := d.m.Receive(d.now, isText, []byte(message)); o != Taken {
		fmt.Fprintf(&d.out, "  (%v) %s\n", o, detail)
	}
}

// pass lets time pass.
func (d *dialogue) pass(text string) {
	took, err := time.ParseDuration(text)
	if err != nil {
		d.t.Fatal(err)
	}
	end := d.now.Add(took)
	for {
		at := d.m.Deadline()
		if at.IsZero() || at.After(end) {
			break
		}
		if at.Before(d.now) {
			d.t.Fatalf("the deadline %v has passed", at)
		}
		d.now = at
		fmt.Fprintf(&d.out, "  at %v\n", d.now.Sub(begin))
		d.m.Tick(d.now)
		d.act()
	}
	d.now = end
}

// act writes down what the Machine does.
func (d *dialogue) act() {
	actions := append([]Action(nil), d.m.Actions()...)
	for _, a := range actions {
		switch {
		case a.Send != nil:
			fmt.Fprintf(&d.out, "  > %s\n", a.Send)
		case a.Publish != nil:
			p := a.Publish
			fmt.Fprintf(&d.out, "  %d = %s", a.Ticket, p.Channel)
			if p.Attributes != nil && p.Attributes.Event != "" {
				fmt.Fprintf(&d.out, " event=%s", p.Attributes.Event)
			}
			if p.Attributes != nil && p.Attributes.Key != "" {
				fmt.Fprintf(&d.out, " key=%s", p.Attributes.Key)
			}
			if p.IdempotencyKey != "" {
				fmt.Fprintf(&d.out, " once=%s", p.IdempotencyKey)
			}
			fmt.Fprintf(&d.out, " %s\n", p.Data)
			if !d.holds {
				d.m.Published(d.now, a.Ticket, false, nil)
			}
		case a.Fail != "":
			fmt.Fprintf(&d.out, "  end the connection: %s\n", a.Fail)
		case a.Note != "":
			fmt.Fprintf(&d.out, "  note: %s\n", a.Note)
		}
	}
	if s := d.m.Status(d.now); s.State != d.state {
		d.state = s.State
		fmt.Fprintf(&d.out, "  is %s", s.State)
		if s.Problem != "" {
			fmt.Fprintf(&d.out, ": %s", s.Problem)
		}
		d.out.WriteString("\n")
	}
}
