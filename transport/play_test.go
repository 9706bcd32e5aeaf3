package transport

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// stage is where a script is played: with a carrier of some kind, or with none.
type stage interface {
	// open has a client begin with a request. It does not wait for an answer.
	open(a *act) client

	// note is called before an act, and wait after it. It returns when everything has happened that a leads to.
	note(a *act, p *player)
	wait(a *act, p *player)

	isVirtual() bool // time passes only when it is told to
}

// client is a client of a script. It hears lines, as they stand behind its name.
type client interface {
	say(isBinary bool, data string)
	leave()

	// hear takes up to n lines, or all there are if n is negative.
	hear(n int) []string
}

// player plays a script and writes down what is heard.
type player struct {
	t       *testing.T
	script  *script
	stage   stage
	hub     *hub.Hub
	broker  *troubled
	clients []*cast // in the order in which they came
}

// cast is a client and the name it has.
type cast struct {
	client
	name string // "" for a request without one
	over bool   // it has left, or heard the end
}

// options are what a script asks of the hub and the transport.
func (s *script) site() (h hub.Options, o Options) {
	for name, n := range s.options {
		switch name {
		case "history":
			h.Retention.Count, h.NoHistory = n, n == 0
		case "publication-bytes":
			h.PublicationBytesMax = n
		case "body-bytes":
			o.BodyBytesMax = n
		case "commands":
			h.CommandsMax = n
		}
	}
	return h, o
}

// play plays the script and returns it with what is heard now. isBlind says that
// the stage has no way to know when everything was heard: as many lines are
// awaited from each client as the script has.
func (p *player) play(isBlind bool) *script {
	p.t.Helper()
	played := *p.script
	played.acts = slices.Clone(p.script.acts)
	for i := range played.acts {
		a := &played.acts[i]
		if p.stage.isVirtual() && a.verb.isRequest() && a.who != "" {
			elapse(1) // or presence would not know the order in which they came
		}
		began := time.Now()
		p.stage.note(a, p)
		p.do(a)
		if p.t.Failed() {
			break
		}
		p.stage.wait(a, p)
		if p.stage.isVirtual() && a.verb != verbPass {
			if took := time.Since(began); took != 0 {
				p.t.Errorf("%s:%d: %q took %v: somebody was kept waiting", p.script.file, a.line, a.text, took)
			}
		}
		a.heard = p.hear(a, isBlind)
		for _, c := range p.clients {
			if c.name == "" && !c.over {
				p.t.Fatalf("%s:%d: %q is not answered at once; give it to a client with a name", p.script.file, a.line, a.text)
			}
		}
	}
	return &played
}

// hear collects what an act has led to, client by client.
func (p *player) hear(a *act, isBlind bool) (all []heard) {
	for _, c := range slices.Clone(p.clients) {
		n := -1
		if isBlind {
			n = p.expected(a, c)
		}
		for _, text := range c.hear(n) {
			if c.name != "" {
				text = c.name + " " + text
			} else {
				text = strings.TrimPrefix(text, "< ")
			}
			all = append(all, heard{who: c.name, text: p.normal(text)})
			c.over = c.over || isLast(c.name, text)
		}
	}
	p.clients = slices.DeleteFunc(p.clients, func(c *cast) bool { return c.over && c.name == "" })
	return all
}

// expected is how many lines c hears in the script because of a.
func (p *player) expected(a *act, c *cast) (n int) {
	for _, h := range a.heard {
		if h.who == c.name {
			n++
		}
	}
	return n
}

// isLast reports whether a client that hears text hears no more.
func isLast(name, text string) bool {
	rest := strings.TrimPrefix(text, name+" ")
	return name == "" || strings.HasPrefix(rest, "hears the end") || strings.HasPrefix(rest, "is refused")
}

// do does what an act says.
func (p *player) do(a *act) {
	p.t.Helper()
	switch a.verb {
	case verbOpens, verbGets, verbPosts:
		if c := p.find(a.who); c != nil && !c.over && a.who != "" && a.verb == verbOpens {
			p.t.Fatalf("%s:%d: %s is there already", p.script.file, a.line, a.who)
		}
		p.clients = slices.DeleteFunc(p.clients, func(c *cast) bool { return c.name == a.who })
		request := *a
		request.path, request.data = p.actual(a.path), p.actual(a.data)
		request.fields = slices.Clone(a.fields)
		for i := range request.fields {
			request.fields[i] = p.actual(request.fields[i])
		}
		p.clients = append(p.clients, &cast{client: p.stage.open(&request), name: a.who})
	case verbSays:
		p.present(a).say(a.binary, p.actual(a.data))
	case verbLeaves:
		c := p.present(a)
		c.leave()
		c.over = true
		p.clients = slices.DeleteFunc(p.clients, func(o *cast) bool { return o == c })
	case verbFails:
		p.broker.make(trouble{method: a.method, channel: a.channel, err: errBroken})
	case verbDelays:
		p.broker.make(trouble{method: a.method, channel: a.channel, delay: a.passes})
	case verbHolds:
		p.broker.make(trouble{method: a.method, channel: a.channel, isHeld: true})
	case verbLetsGo:
		p.broker.letGo(a.reverse, a.twice)
	case verbRecovers:
		p.broker.recover()
	case verbLoses:
		p.broker.receiver.Lost(a.channel)
	case verbRestarts:
		p.broker.restart()
	case verbShutsDown:
		go func() { _ = p.hub.Shutdown(p.t.Context()) }()
	}
}

// present returns the client that does a.
func (p *player) present(a *act) *cast {
	p.t.Helper()
	c := p.find(a.who)
	if c == nil || c.over {
		p.t.Fatalf("%s:%d: %s is not there any more", p.script.file, a.line, a.who)
	}
	return c
}

// find returns the client of that name.
func (p *player) find(name string) *cast {
	for _, c := range p.clients {
		if c.name == name {
			return c
		}
	}
	return nil
}

var (
	shownPosition = regexp.MustCompile(`\b([E-F]):(\d+)\b`)
	shownTime     = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	shownVector   = regexp.MustCompile(`\bA[Q-Za-f][A-Za-z0-9_-]{27,}`)
	shownID       = regexp.MustCompile(`"id":"[a-z0-9]{20,}"`)
)

// actual puts the epochs of the broker where a script has E or F.
func (p *player) actual(text string) string {
	return shownPosition.ReplaceAllStringFunc(text, func(shown string) string {
		if i := int(shown[0] - 'E'); i < len(p.broker.epochs) {
			return p.broker.epochs[i] + shown[1:]
		}
		return shown
	})
}

// normal is the inverse of actual, and hides times and IDs.
func (p *player) normal(text string) string {
	text = shownVector.ReplaceAllStringFunc(text, showVector)
	for i, epoch := range p.broker.epochs {
		text = strings.ReplaceAll(text, epoch+":", string(rune('E'+i))+":")
	}
	text = shownTime.ReplaceAllString(text, "T")
	return shownID.ReplaceAllString(text, `"id":"I"`)
}

// showVector is a vector as V(channel=position …).
func showVector(text string) string {
	v, err := hub.ParseVector(text)
	if err != nil {
		return text
	}
	var positions []string
	for _, channel := range slices.Sorted(maps.Keys(v.Positions)) {
		positions = append(positions, channel+"="+v.Positions[channel].String())
	}
	return "V(" + strings.Join(positions, " ") + ")"
}

// The lines that clients hear.

func heardMessage(isBinary bool, data string) string {
	if isBinary {
		return "< binary " + strconv.Quote(data)
	}
	return "< " + showData(data)
}

func heardLine(line string) string {
	if line == "" {
		return "<"
	}
	return "< " + showData(line)
}

// heardOpen is that something is open, at a position or at none.
func heardOpen(position string) string {
	if position == "" {
		return "is open"
	}
	return "is open behind " + position
}

// heardClose leaves the reason of 1007 out: it is in the words of whichever layer
// finds the fault.
func heardClose(code uint16, reason string) string {
	if wire.CloseCode(code) == wire.CloseInvalidPayload {
		reason = "…"
	}
	return strings.TrimSpace(fmt.Sprintf("hears the end: %d %s", code, reason))
}

const heardEnd = "hears the end"

// answerFields are those that are shown of an answer.
var answerFields = []string{"Preference-Applied", "Idempotency-Replayed", "Retry-After"}

// heardAnswer is an answer that is whole; body is that, or the name of a problem.
func heardAnswer(status int, body string, field func(name string) string) string {
	text := strconv.Itoa(status) + " " + strings.TrimSuffix(body, "\n")
	for _, name := range answerFields {
		if value := field(name); value != "" {
			text += " (" + name + ": " + value + ")"
		}
	}
	return text
}

// compare reports where what was heard differs from the script.
func compare(t *testing.T, want, got *script) {
	t.Helper()
	for i, a := range want.acts {
		line := func(text string) string { return "\n\t" + text }
		var wanted, is []string
		for _, h := range a.heard {
			wanted = append(wanted, line(h.text))
		}
		for _, h := range got.acts[i].heard {
			is = append(is, line(h.text))
		}
		if !slices.Equal(wanted, is) {
			t.Errorf("%s:%d: %s\nis followed by%s\ninstead of%s", want.file, a.line, a.text, strings.Join(is, ""), strings.Join(wanted, ""))
		}
	}
}
