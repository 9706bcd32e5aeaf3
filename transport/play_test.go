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

	"github.com/godwit-io/godwit/access"
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
	leave()  // in good order
	vanish() // without a word

	// hear takes up to n lines, or all there are if n is negative.
	hear(n int) []string
}

// player plays a script and writes down what is heard.
type player struct {
	t       testing.TB
	script  *script
	stage   stage
	hub     *hub.Hub
	broker  *troubled
	clients []*cast // in the order in which they came

	sessions []namedSession // that clients were given
	ended    []string       // IDs of sessions whose client has said goodbye
	versions []string       // of members, in the order in which they were heard of
	calls    []string       // IDs of calls, in the same order
	crowd    []*hub.Session // that nobody hears
}

// namedSession is a session as a script calls it.
type namedSession struct{ name, id, secret string }

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
		case "subscriptions":
			h.SubscriptionsMax = n
		case "calls":
			h.RPC.SessionOpenMax = n
		case "registrations":
			h.RPC.RegistrationsMax = n
		case "guard":
			o.Guard = scriptGuard{}
		}
	}
	return h, o
}

// scriptGuard is the Guard of scripts. A token is the name of a user, with a point and
// for how long it is valid behind it or without: ann, ann.60s. Everybody may everything,
// but not in channels below secret; below often too much is asked for, and below undecided
// the guard fails.
type scriptGuard struct{}

func (g scriptGuard) Identify(r *Request, done func(*Client, error)) {
	token, ok := strings.CutPrefix(r.Get("Authorization"), "Bearer ")
	if !ok {
		done(&Client{Identity: &access.Identity{Kind: access.Anonymous}}, nil)
		return
	}
	g.IdentifyToken(nil, strings.Clone(token), done)
}

func (scriptGuard) IdentifyToken(_ *Client, token string, done func(*Client, error)) {
	user, age, _ := strings.Cut(token, ".")
	id := &access.Identity{Kind: access.Token, User: user}
	switch d, err := time.ParseDuration(age); {
	case token == "wrong":
		done(nil, &access.Refusal{Cause: access.Unauthenticated, Reason: "the token is wrong"})
		return
	case err == nil:
		id.Expires = time.Now().Add(d)
	}
	done(&Client{Identity: id}, nil)
}

func (scriptGuard) Authorize(c *Client, act *Act, _ func(error)) (bool, error) {
	kind, _, _ := strings.Cut(act.Channel, "/")
	switch kind {
	case "secret":
		return true, Deny(c.Identity, act)
	case "often":
		return true, &access.Refusal{Cause: access.TooMany, Reason: "at most one a minute", RetryAfter: 3 * time.Second}
	case "undecided":
		return true, errBroken
	}
	return true, nil
}

func (scriptGuard) Leave(*Client) {}

// play plays the script and returns it with what is heard now. isBlind says that
// the stage has no way to know when everything was heard: as many lines are
// awaited from each client as the script has.
func (p *player) play(isBlind bool) *script {
	p.t.Helper()
	defer p.sendCrowdAway()
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
			p.learn(c.name, text)
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
	case verbOpens, verbGets, verbPosts, verbDeletes:
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
	case verbLeaves, verbVanishes:
		c := p.present(a)
		if a.verb == verbVanishes {
			c.vanish()
		} else {
			c.leave()
			p.noteGoodbye(a.who)
		}
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
	case verbIsAway:
		p.hub.SetAway(errBroken)
	case verbIsBack:
		p.hub.SetAway(nil)
	case verbSubscribes:
		p.session(a).Add(a.channel, hub.SubscribeOptions{})
	case verbUnsubscribes:
		p.session(a).Remove(a.channel, hub.ErrRemoved)
	case verbUnregisters:
		p.session(a).RemoveMethod(a.channel, hub.ErrRemoved)
	case verbCrowd:
		p.addCrowd(a.count, a.channel)
	case verbShutsDown:
		go func() { _ = p.hub.Shutdown(p.t.Context()) }()
	}
}

// session returns the newest session of the client that a is about.
func (p *player) session(a *act) *hub.Session {
	p.t.Helper()
	for _, s := range slices.Backward(p.sessions) {
		if strings.TrimRight(s.name, "0123456789") == strings.ToUpper(a.who) {
			if session := p.hub.FindSession(s.id); session != nil {
				return session
			}
		}
	}
	p.t.Fatalf("%s:%d: %s has no session", p.script.file, a.line, a.who)
	return nil
}

// addCrowd has sessions come that nobody hears, and stay until the script ends.
func (p *player) addCrowd(n int, channel string) {
	p.t.Helper()
	for range n {
		session, err := p.hub.Connect("session", func() {})
		if err != nil {
			p.t.Fatal(err)
		}
		session.Subscribe(0, channel, hub.SubscribeOptions{})
		p.crowd = append(p.crowd, session)
	}
}

// sendCrowdAway has the crowd leave.
func (p *player) sendCrowdAway() {
	for _, session := range p.crowd {
		session.Close()
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
	shownVector   = regexp.MustCompile(`\bA[Q-Za-v][A-Za-z0-9_-]{27,}`)
	shownID       = regexp.MustCompile(`"id":"[a-z0-9]{20,}"`)
	shownSession  = regexp.MustCompile(`"session":"([a-z0-9]+)","secret":"([a-z0-9]+)"`)
	shownVersion  = regexp.MustCompile(`("version"|"previous"):(\d{9,})`)
	shownCall     = regexp.MustCompile(`"call":\{"id":(\d+),`)
	shownDelay    = regexp.MustCompile(`"reconnect":\{"after_ms":\d+\}`)
	shownCursor   = regexp.MustCompile(`"cursor":"[^"]*"`)
	shownTimeout  = regexp.MustCompile(`"timeout_ms":\d+`)
	sessionName   = regexp.MustCompile(`\b[A-Z]{2,}\d?(-SECRET)?\b`)
)

// learn takes down the session that a client is given.
func (p *player) learn(who, text string) {
	if m := shownCall.FindStringSubmatch(text); m != nil {
		p.calls = append(p.calls, m[1])
	}
	m := shownSession.FindStringSubmatch(text)
	if m == nil || who == "" || slices.ContainsFunc(p.sessions, func(s namedSession) bool { return s.id == m[1] }) {
		return
	}
	name, n := strings.ToUpper(who), 1
	for _, s := range p.sessions {
		if strings.TrimRight(s.name, "0123456789") == name {
			n++
		}
	}
	if n > 1 {
		name += strconv.Itoa(n)
	}
	p.sessions = append(p.sessions, namedSession{name, m[1], m[2]})
}

// noteGoodbye takes down that the session of a WebSocket is over.
func (p *player) noteGoodbye(who string) {
	for _, a := range p.script.acts {
		if a.who == who && a.verb == verbOpens && a.kind != WebSocket {
			return
		}
	}
	for _, s := range p.sessions {
		if strings.TrimRight(s.name, "0123456789") == strings.ToUpper(who) {
			p.ended = append(p.ended, s.id)
		}
	}
}

// actual puts the epochs of the broker where a script has E or F.
func (p *player) actual(text string) string {
	text = sessionName.ReplaceAllStringFunc(text, func(shown string) string {
		if n, ok := strings.CutPrefix(shown, "CALL"); ok {
			if i, err := strconv.Atoi(n); err == nil && i >= 1 && i <= len(p.calls) {
				return p.calls[i-1]
			}
		}
		name, isSecret := strings.CutSuffix(shown, "-SECRET")
		for _, s := range p.sessions {
			switch {
			case s.name == name && isSecret:
				return s.secret
			case s.name == name:
				return s.id
			}
		}
		return shown
	})
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
	for _, s := range p.sessions {
		text = strings.ReplaceAll(strings.ReplaceAll(text, s.id, s.name), s.secret, s.name+"-SECRET")
	}
	for i, id := range p.calls {
		text = strings.ReplaceAll(text, `"id":`+id+`,`, `"id":CALL`+strconv.Itoa(i+1)+`,`)
	}
	text = shownVersion.ReplaceAllStringFunc(text, func(shown string) string {
		name, version, _ := strings.Cut(shown, ":")
		i := slices.Index(p.versions, version)
		if i < 0 {
			i = len(p.versions)
			p.versions = append(p.versions, version)
		}
		return name + ":V" + strconv.Itoa(i+1)
	})
	text = shownDelay.ReplaceAllString(text, `"reconnect":{"after_ms":N}`)
	text = shownCursor.ReplaceAllString(text, `"cursor":"C"`)
	text = shownTimeout.ReplaceAllString(text, `"timeout_ms":N`)
	text = shownTime.ReplaceAllString(text, "T")
	return shownID.ReplaceAllString(text, `"id":"I"`)
}

// showVector is a vector as V(channel=position …), with what is owed besides.
func showVector(text string) string {
	v, err := hub.ParseVector(text)
	if err != nil {
		return text
	}
	var positions []string
	if v.Newest > 0 {
		positions = append(positions, fmt.Sprintf("and the newest %d", v.Newest))
	}
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

// answerFields are the fields that are shown of an answer.
var answerFields = []string{"Preference-Applied", "Idempotency-Replayed", "Retry-After"}

// heardAnswer is an answer that is whole; body is that, or the name of a problem.
func heardAnswer(status int, body string, field func(name string) string) string {
	text := strconv.Itoa(status) + " " + strings.TrimSuffix(body, "\n")
	for _, name := range answerFields {
		if value := field(name); value != "" {
			text += " (" + name + ": " + value + ")"
		}
	}
	return strings.TrimRight(text, " ")
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
