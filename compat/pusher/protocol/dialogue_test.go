package protocol

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// Each dialogue of testdata is what goes into a Socket and, indented, what comes out.
// The commands are those of the type script.
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/dialogues/*.txt", func(t *testing.T, text string) string {
		got := playDialogue(t, text, false)
		if difference := golden.Difference(got, playDialogue(t, text, true)); difference != "" {
			t.Errorf("with compression it is another one\n%s", difference)
		}
		return got
	})
}

const (
	testKey     = "app-key"
	testSecret  = "app-secret"
	testSession = "abcdefghijklmnopqrstuvwxyz"
)

// script is a dialogue that is played.
type script struct {
	t     *testing.T
	d     dialect.OverSocket
	app   *App
	tags  map[string]uint64 // the newest, by command and channel
	now   time.Time
	out   strings.Builder
	over  bool
	noApp bool
}

func (s *script) App() *App {
	if s.noApp {
		return nil
	}
	return s.app
}

// Enter, Leave, AllowPublication and Delivered make it a Meter.
func (s *script) Enter() bool { fmt.Fprintf(&s.out, "  enters\n"); return true }
func (s *script) Leave()      { fmt.Fprintf(&s.out, "  leaves\n") }
func (s *script) AllowPublication(time.Time) (bool, time.Duration) {
	return true, 0
}
func (s *script) Delivered(int) {}

// ClientEvent and CacheMiss make it a Listener.
func (s *script) ClientEvent(channel, event string, data []byte, socket, user string) {
	fmt.Fprintf(&s.out, "  tells client_event %s %s %s of %s user %q\n", channel, event, data, socket, user)
}
func (s *script) CacheMiss(channel string) { fmt.Fprintf(&s.out, "  tells cache_miss %s\n", channel) }

func testApp(prefix string) *App {
	space, err := NewSpace(prefix)
	if err != nil {
		panic(err)
	}
	return &App{
		Key: testKey, Secret: testSecret, Forms: NewForms(space), ClientEvents: true,
		ActivityTimeout: 120 * time.Second, MembersMax: 100, ClientEventBytesMax: 10 << 10, ClientEventsPerSecond: 10,
		Describe: func(err error) dialect.Failure {
			return dialect.Failure{Problem: clientproto.ProblemInternal, Detail: err.Error()}
		},
	}
}

func playDialogue(t *testing.T, text string, isCompressed bool) string {
	s := &script{t: t, tags: make(map[string]uint64), now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	s.app = testApp("")
	s.app.Meter, s.app.Listener = s, s
	s.d = NewSocket(s)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&s.out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if line == "begin" {
			s.d.Agree("", isCompressed)
		}
		s.play(line)
	}
	return s.out.String()
}

func (s *script) play(line string) {
	verb, rest, _ := strings.Cut(line, " ")
	if s.over && verb != "left" {
		s.t.Fatalf("%q comes when all is over", line)
	}
	var e dialect.Effects
	push := func(p hub.Push) { s.d.Push(s.now, []hub.Push{p}, &e) }
	switch verb {
	case "app": // what differs from the usual app
		s.configure(rest)
	case "gone": // the app is configured no more
		s.noApp = true
	case "begin":
		s.d.Begin(s.now, &e)
	case "opened": // the session of the hub
		s.d.(dialect.Opener).Opened(testSession)
		push(hub.Push{Outcome: &hub.Outcome{Tag: s.tag("identify", ""), Command: dialect.CommandIdentify}})
	case "identified":
		push(hub.Push{Outcome: &hub.Outcome{Tag: s.tag("identify", ""), Command: dialect.CommandIdentify}})
	case ">": // a message of the client
		s.d.Receive(s.now, dialect.Frame{Data: []byte(s.expand(rest))}, &e)
	case "burst": // several times the same
		count, message, _ := strings.Cut(rest, " ")
		n, _ := strconv.Atoi(count)
		for range n {
			s.d.Receive(s.now, dialect.Frame{Data: []byte(s.expand(message))}, &e)
		}
	case "binary":
		s.d.Receive(s.now, dialect.Frame{Binary: true, Data: []byte{1, 2, 3}}, &e)
	case "after":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.t.Fatal(err)
		}
		s.now = s.now.Add(d)
		if deadline := s.d.Deadline(); !deadline.IsZero() && !s.now.Before(deadline) {
			s.d.Expire(s.now, &e)
		}
	case "done", "fails": // the outcome of a command: subscribe CHANNEL, publish CHANNEL
		push(s.outcome(verb, rest))
	case "delivered":
		push(hub.Push{Channel: s.delivery(rest).Channel, Delivery: &hub.Delivery{Publication: s.delivery(rest)}})
	case "gap":
		push(hub.Push{Channel: rest, Gap: &hub.Gap{}})
	case "roster", "changes":
		push(s.presence(verb, rest))
	case "history":
		push(s.history(rest))
	case "ended":
		s.d.End(endings[rest], &e)
	case "left":
		s.d.(dialect.Leaver).Left()
	default:
		s.t.Fatalf("%q is no line of a dialogue", line)
	}
	s.show(&e)
}

var endings = map[string]error{
	"shutdown": hub.ErrShutdown, "slow": hub.ErrSlow, "closed": hub.ErrClosed, "commands": hub.ErrTooManyCommands,
	"terminated": &hub.Ended{Code: CodeUnauthorized, Reason: "You got disconnected by the app."},
	"moved":      &hub.Ended{Code: 4000, Reason: "another server has room", Reconnect: true},
	"refused":    &access.Refusal{Cause: access.Unauthenticated, Reason: "token expired"},
	"too many":   &access.Refusal{Cause: access.TooMany, Reason: "too many connections"},
}

func (s *script) configure(rest string) {
	for field := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(field, "=")
		n, _ := strconv.Atoi(value)
		switch name {
		case "prefix":
			space, err := NewSpace(value)
			if err != nil {
				s.t.Fatal(err)
			}
			s.app.Forms = NewForms(space)
		case "no-client-events":
			s.app.ClientEvents = false
		case "counts":
			s.app.SubscriptionCounts = true
		case "watchlist":
			s.app.Watchlist = true
		case "members":
			s.app.MembersMax = n
		case "bytes":
			s.app.ClientEventBytesMax = n
		case "secret":
			s.app.Secret = value
		default:
			s.t.Fatalf("%q is nothing of an app", name)
		}
	}
}

var macros = regexp.MustCompile(`\$(AUTH|MEMBER|USER)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]`)

// expand signs: $AUTH[private-x] is an auth, $MEMBER[presence-x {"user_id":1}] the auth
// and the channel_data, $USER[{"id":"1"}] the auth and the user_data.
func (s *script) expand(message string) string {
	socket, _ := SocketID(testSession)
	return macros.ReplaceAllStringFunc(message, func(text string) string {
		m := macros.FindStringSubmatch(text)
		switch m[1] {
		case "AUTH":
			return AuthSubscription(testKey, testSecret, socket, m[2], "")
		case "MEMBER":
			channel, data, _ := strings.Cut(m[2], " ")
			return fmt.Sprintf(`"channel":%q,"auth":%q,"channel_data":%q`, channel, AuthSubscription(testKey, testSecret, socket, channel, data), data)
		}
		return fmt.Sprintf(`"auth":%q,"user_data":%q`, AuthUser(testKey, testSecret, socket, m[2]), m[2])
	})
}

func (s *script) tag(command, channel string) uint64 {
	tag, ok := s.tags[command+" "+channel]
	if !ok {
		s.t.Fatalf("nothing has asked for %s %s", command, channel)
	}
	return tag
}

// outcome is "subscribe CHANNEL [count=N] [at=E:N] [because…]".
func (s *script) outcome(verb, rest string) hub.Push {
	command, rest, _ := strings.Cut(rest, " ")
	channel, rest, _ := strings.Cut(rest, " ")
	o := &hub.Outcome{Tag: s.tag(command, channel), Channel: channel}
	o.Command = map[string]hub.Command{"subscribe": hub.CommandSubscribe, "publish": hub.CommandPublish, "presence": hub.CommandPresence, "history": hub.CommandHistory}[command]
	if verb == "fails" {
		switch o.Err = errors.New(rest); rest {
		case "no joins":
			o.Err = hub.ErrNoJoins
		case "too many":
			o.Err = hub.ErrTooManySubscriptions
		case "denied":
			o.Err = &access.Refusal{Cause: access.Denied, Reason: "this needs a grant"}
		case "busy":
			o.Err = &access.Refusal{Cause: access.TooMany, Reason: "too often"}
		}
		return hub.Push{Channel: channel, Outcome: o}
	}
	o.Position = hub.Position{Epoch: "E", Offset: 4}
	for field := range strings.FieldsSeq(rest) {
		if n, ok := strings.CutPrefix(field, "count="); ok {
			o.Count, _ = strconv.Atoi(n)
		}
	}
	return hub.Push{Channel: channel, Outcome: o}
}

// delivery is "CHANNEL OFFSET [event=E] [user=U] [json|framed|bytes] DATA".
func (s *script) delivery(text string) *hub.Publication {
	channel, rest, _ := strings.Cut(text, " ")
	offset, rest, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(offset, 10, 64)
	if err != nil {
		s.t.Fatalf("%q has no offset", text)
	}
	p := &hub.Publication{Channel: channel, Position: hub.Position{Epoch: "E", Offset: n}, Time: s.now}
	a := &hub.Attributes{}
	for {
		field, more, _ := strings.Cut(rest, " ")
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "event":
			a.Event = value
		case "user":
			a.User = value
		case "json":
			p.Kind = hub.JSON
		case "framed":
			p.Kind, a.Shape = hub.JSON, hub.ShapeFrame
		case "bytes":
			p.Kind = hub.Binary
		default:
			if p.Data = []byte(rest); *a != (hub.Attributes{}) {
				p.Attributes = a
			}
			return p
		}
		rest = more
	}
}

// history is "CHANNEL", and publications behind " | ".
func (s *script) history(text string) hub.Push {
	parts := strings.Split(text, " | ")
	o := &hub.Outcome{Tag: s.tag("history", parts[0]), Command: hub.CommandHistory, Channel: parts[0]}
	for _, p := range parts[1:] {
		o.Page.Publications = append(o.Page.Publications, s.delivery(parts[0]+" "+p))
	}
	return hub.Push{Channel: parts[0], Outcome: o}
}

// presence is "CHANNEL [version=N] [previous=N] [count=N] [partial] [next=C] USER[:INFO] …"
// for a roster, and with + or - before users for changes.
func (s *script) presence(verb, text string) hub.Push {
	channel, rest, _ := strings.Cut(text, " ")
	c := &hub.Changes{Channel: channel, ByUser: true}
	r := &hub.Roster{Members: []hub.Member{}}
	for field := range strings.FieldsSeq(rest) {
		name, value, _ := strings.Cut(field, "=")
		n, _ := strconv.Atoi(value)
		user, info, _ := strings.Cut(strings.TrimLeft(field, "+-"), ":")
		m := hub.Member{User: user, Info: info, Sessions: 1}
		switch {
		case name == "version":
			c.Version, c.Previous, r.Version = uint64(n), uint64(n-1), uint64(n)
		case name == "previous":
			c.Previous = uint64(n)
		case name == "count":
			c.Count = n
		case name == "next":
			r.Next = value
		case name == "partial":
			c.IsPartial = true
		case field[0] == '+':
			c.Joined = append(c.Joined, m)
		case field[0] == '-':
			c.Left = append(c.Left, m)
		default:
			r.Members = append(r.Members, m)
		}
	}
	if verb == "changes" {
		return hub.Push{Channel: channel, Changes: c}
	}
	return hub.Push{Channel: channel, Outcome: &hub.Outcome{Tag: s.tag("presence", channel), Command: hub.CommandPresence, Channel: channel, Roster: r}}
}

// show writes what has come out.
func (s *script) show(e *dialect.Effects) {
	w := bufio.NewWriter(&s.out)
	defer w.Flush()
	if a := e.Answer; a != nil {
		fmt.Fprintf(w, "  answer %d\n", a.Status)
	}
	for i := range e.Commands {
		s.showCommand(w, &e.Commands[i])
	}
	frames := e.Frames
	for _, m := range e.Messages {
		frames = append(frames, m.Frame())
	}
	for _, f := range frames {
		h, n, err := wire.ParseHeader(f)
		if err != nil || n == 0 || int(h.Length) != len(f)-n || h.Opcode != wire.Text || h.Masked || !h.Fin {
			s.t.Errorf("%q is no frame", f)
		}
		var m struct {
			Event string
			Data  json.RawMessage
		}
		var data string
		if err := json.Unmarshal(f[n:], &m); err != nil || len(m.Data) == 0 {
			s.t.Errorf("%q is no message", f[n:])
		}
		if isOfServer := strings.HasPrefix(m.Event, "pusher"); isOfServer && m.Event != eventError && (json.Unmarshal(m.Data, &data) != nil || !json.Valid([]byte(data))) {
			s.t.Errorf("the data of %q is no string with JSON", f[n:])
		}
		fmt.Fprintf(w, "  < %s\n", f[n:])
	}
	if c := e.Closing; c != nil {
		fmt.Fprintf(w, "  close %d %s, %s\n", c.Code, c.Reason, c.End)
		s.over = true
	}
}

func (s *script) showCommand(w *bufio.Writer, c *dialect.Command) {
	command := map[hub.Command]string{
		hub.CommandSubscribe: "subscribe", hub.CommandUnsubscribe: "unsubscribe", hub.CommandPublish: "publish",
		hub.CommandHistory: "history", hub.CommandPresence: "presence", dialect.CommandIdentify: "identify",
	}[c.Kind]
	s.tags[command+" "+c.Channel] = c.Tag
	fmt.Fprintf(w, "  %s", command)
	if c.Channel != "" {
		fmt.Fprintf(w, " %s", c.Channel)
	}
	o := &c.Subscribe
	if o.Presence {
		fmt.Fprintf(w, " with %s", map[bool]string{false: "sessions", true: "users"}[o.PresenceByUser])
	}
	if o.Last > 0 {
		fmt.Fprintf(w, " last %d", o.Last)
	}
	if !o.Since.IsZero() {
		fmt.Fprintf(w, " since %v", o.Since)
	}
	if o.Member != nil && o.Member != c.As {
		fmt.Fprintf(w, " as member %q", o.Member.User)
	}
	if c.Presence.After != "" {
		fmt.Fprintf(w, " after %s", c.Presence.After)
	}
	if c.Kind == hub.CommandPublish {
		a := c.Message.Attributes
		fmt.Fprintf(w, " %s %s", map[hub.Kind]string{hub.Text: "text", hub.JSON: "JSON"}[c.Message.Kind], c.Message.Data)
		fmt.Fprintf(w, " event %s user %q without %s", a.Event, a.User, a.Exclude)
	}
	if c.Action != 0 {
		fmt.Fprintf(w, " needs %v", c.Action)
	}
	if c.Also != 0 {
		fmt.Fprintf(w, " and %v", c.Also)
	}
	if id := c.As; id != nil {
		fmt.Fprintf(w, " as %s %s user %q", id.Kind, id.Name, id.User)
		if len(id.Info) > 0 {
			fmt.Fprintf(w, " %s", id.Info)
		}
		fmt.Fprintf(w, " with %s", id.Grants)
	}
	w.WriteByte('\n')
}

// Shared bytes are never modified, and a client's message belongs to its carrier.
func TestFramesOfTheClientAreNotKept(t *testing.T) {
	s := &script{t: t, tags: map[string]uint64{}, now: time.Now(), app: testApp("")}
	s.app.Meter = s
	d := NewSocket(s)
	var e dialect.Effects
	d.Begin(s.now, &e)
	d.Opened(testSession)
	d.Push(s.now, []hub.Push{{Outcome: &hub.Outcome{Tag: tagOpen}}}, &e)
	message := []byte(s.expand(`{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"$AUTH[private-x]"}}`))
	d.Receive(s.now, dialect.Frame{Data: message}, &e)
	clear(message)
	d.Push(s.now, []hub.Push{{Outcome: &hub.Outcome{Tag: e.Commands[1].Tag, Command: hub.CommandSubscribe, Channel: "private-x"}}}, &e)
	e.Reset()
	message = []byte(`{"event":"client-x","channel":"private-x","data":"hello"}`)
	d.Receive(s.now, dialect.Frame{Data: message}, &e)
	clear(message)
	if len(e.Commands) != 1 || !bytes.Equal(e.Commands[0].Message.Data, []byte("hello")) || e.Commands[0].Message.Attributes.Event != "client-x" {
		t.Errorf("%+v", e.Commands)
	}
}
