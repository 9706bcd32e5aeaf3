package socketio

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// TestDialogues plays testdata/dialogues: a client in one namespace, without a hub. A line
// is said by one side:
//
//	< 2["x"]                         the client sends text, without the digit 4
//	< b:0102                         the client sends bytes
//	! done TAG [POSITION]            a command has this outcome
//	! refused TAG denied|unavailable|shutdown|subscribed
//	! deliver CHANNEL OFFSET EVENT text|json|binary[+args][+attachments][+framed] DATA
//	! …                              see play
//	> …                              what comes of it: written by the test
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/dialogues/*.txt", func(t *testing.T, text string) string { return newPlayer(t).play(text) })
}

// player is a client in one namespace.
type player struct {
	t        testing.TB
	settings settings
	conn     *packet.Conn
	n        *namespace
	record   *record
	restore  *recovering
	out      strings.Builder
	now      time.Time
}

func newPlayer(t testing.TB) *player {
	conn, err := packet.NewConn(packet.Limits{}, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, conn: conn, now: time.Unix(0, 0)}
	p.settings = settings{main: "main", forms: newForms("main", false), describe: describe(func(err error) dialect.Failure {
		problem := clientproto.ProblemInternal
		if _, ok := err.(*access.Refusal); ok {
			problem = clientproto.ProblemForbidden
		}
		return dialect.Failure{Problem: problem, Detail: err.Error()}
	})}
	return p
}

func (p *player) say(format string, args ...any) { fmt.Fprintf(&p.out, "> "+format+"\n", args...) }

func (p *player) play(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "> ") {
			continue
		}
		p.out.WriteString(line + "\n")
		switch {
		case strings.HasPrefix(line, "< "):
			p.client(line[2:])
		case strings.HasPrefix(line, "! "):
			p.server(line[2:])
		}
	}
	return p.out.String()
}

// client says something for the client.
func (p *player) client(message string) {
	var in packet.Packet
	var ok bool
	var err error
	if text, isBytes := strings.CutPrefix(message, "b:"); isBytes {
		b, wrong := hex.DecodeString(text)
		if wrong != nil {
			p.t.Fatal(wrong)
		}
		in, ok, err = p.conn.Binary(b)
	} else {
		in, ok, err = p.conn.Text([]byte(message))
	}
	switch {
	case err != nil:
		p.say("close the connection: %v", err)
	case !ok:
	case in.Type == packet.Connect:
		channel, err := channelOf(in.Namespace, p.settings.main)
		if err != nil {
			p.frames(p.conn.Refuse(in.Namespace, "Invalid namespace", appendProblem(nil, p.settings.describe(err))))
			return
		}
		p.n = &namespace{settings: &p.settings, conn: p.conn, name: in.Namespace, channel: channel, recovery: p.restore}
		if p.restore != nil {
			p.n.restores = p.restore.session
		}
		if p.settings.forms.hasOffset {
			p.n.pid, p.n.remembers = "pid", func(r *record) { p.record = r }
		}
		p.do(p.n.Begin)
	default:
		p.tell(input{event: &in})
	}
}

func (p *player) tell(in input) {
	p.n.in = in
	p.do(func(now time.Time, out *dialect.Effects) { p.n.Receive(now, dialect.Frame{}, out) })
}

func (p *player) push(pushes ...hub.Push) {
	p.do(func(now time.Time, out *dialect.Effects) { p.n.Push(now, pushes, out) })
}

// do calls the dialect and says what comes of it.
func (p *player) do(call func(time.Time, *dialect.Effects)) {
	var out dialect.Effects
	call(p.now, &out)
	for _, c := range out.Commands {
		p.command(&c)
	}
	p.frames(out.Frames...)
	if out.Delivered.N > 0 {
		p.say("delivered %d", out.Delivered.N)
	}
	for _, a := range p.n.asks {
		if a.event == nil {
			p.say("ask connect")
		} else {
			p.say("ask event #%d %s %s ack=%v", a.number, a.event.Event, a.event.Args, a.event.WantsAck)
		}
	}
	p.n.asks = nil
	if c := out.Closing; c != nil {
		p.say("over: %s, %d %s, %s", map[ending]string{endsNamespace: "namespace", endsTransport: "transport"}[p.n.endsWith], c.Code, c.Reason, c.End)
	}
}

func (p *player) command(c *dialect.Command) {
	s := fmt.Sprintf("#%d", c.Tag)
	if c.Action != 0 {
		s += " if may " + c.Action.String()
	}
	if c.As != nil {
		s += " as " + c.As.User
	}
	switch c.Kind {
	case dialect.CommandIdentify:
		s = "identify " + s
		if c.Session != "" {
			s += " restoring " + c.Session
		}
	case hub.CommandSubscribe:
		s = "subscribe " + s + " " + c.Channel
		if c.Subscribe.Presence {
			s += " with its members if may " + c.Also.String()
		}
		if !c.Subscribe.Since.IsZero() {
			s += " since " + c.Subscribe.Since.String()
		}
	case hub.CommandUnsubscribe:
		s = "unsubscribe " + s + " " + c.Channel
	case hub.CommandPresence:
		s = "presence " + s + " " + c.Channel
	case hub.CommandHistory:
		s = "history " + s + " " + c.Channel + " since " + c.Query.Since.String()
	case hub.CommandPublish:
		m := c.Message
		shape := hub.Shape(0)
		if m.Attributes != nil {
			shape = m.Attributes.Shape
		}
		if err := hub.CheckChannel(c.Channel); err != nil || c.Channel != m.Channel || !shape.Fits(m.Kind, m.Data) || m.Kind == hub.JSON && !json.Valid(m.Data) {
			p.t.Fatalf("no publication: %+v, %v", m, err)
		}
		s = fmt.Sprintf("publish %s %s %s %q", s, m.Channel, [...]string{"text", "binary", "json"}[m.Kind], m.Data)
		if a := m.Attributes; a != nil {
			s += fmt.Sprintf(" event=%q shape=%d exclude=%q", a.Event, a.Shape, a.Exclude)
		}
	}
	p.say("%s", s)
}

// frames writes the messages that are sent, one a line.
func (p *player) frames(frames ...[]byte) {
	for _, b := range frames {
		for len(b) > 0 {
			h, n, err := wire.ParseHeader(b)
			if err != nil || n == 0 || !h.Fin || h.Masked || int(h.Length) > len(b)-n {
				p.t.Fatalf("%x is no whole frame: %v", b, err)
			}
			payload := b[n : n+int(h.Length)]
			b = b[n+int(h.Length):]
			if h.Opcode == wire.Binary {
				p.say("send b:%x", payload)
			} else {
				p.say("send %s", payload)
			}
		}
	}
}

// server does something for the hub, the application, or the author of the scene.
func (p *player) server(line string) {
	words := append(strings.SplitN(line, " ", 6), "", "", "", "", "", "")
	position := func(text string) hub.Position {
		pos, err := hub.ParsePosition(text)
		if text != "" && err != nil {
			p.t.Fatal(err)
		}
		return pos
	}
	switch words[0] {
	case "echo":
		p.settings.isEcho = true
	case "recovery":
		p.settings.forms = newForms("main", true)
	case "backend":
		p.settings.routed, p.settings.asksConnect = strings.Fields(words[1]), true
	case "rule": // EVENT subscribe|unsubscribe|publish INDEX
		index, err := strconv.Atoi(words[3])
		if err != nil {
			p.t.Fatal(err)
		}
		rule := Rule{Event: words[1]}
		map[string]func(){
			"subscribe": func() { rule.Subscribe = &index }, "unsubscribe": func() { rule.Unsubscribe = &index }, "publish": func() { rule.Publish = &index },
		}[words[2]]()
		if p.settings.rules == nil {
			p.settings.rules = rules{}
		}
		p.settings.rules[rule.Event] = rule
	case "done", "refused", "lost":
		tag, _ := strconv.ParseUint(words[1], 10, 64)
		o := &hub.Outcome{Tag: tag, Channel: p.n.channel}
		switch tag {
		case tagIdentify:
			o.Command = dialect.CommandIdentify
			p.n.Opened("session")
		case tagSubscribe:
			o.Command = hub.CommandSubscribe
		default:
			o.Command = hub.CommandPublish
			if w := p.n.waiting[tag]; w.room != "" {
				o.Command, o.Channel = hub.CommandSubscribe, w.room
			} else if p.n.recovery != nil {
				o.Command = hub.CommandHistory
			}
		}
		switch words[0] {
		case "done":
			o.Position = position(words[2])
		case "lost":
			o.Page.Gap = &hub.Gap{}
		default:
			o.Err = map[string]error{
				"denied": &access.Refusal{Cause: access.Denied, Reason: "not you"}, "unavailable": &access.Refusal{Cause: access.Unavailable, Reason: "not now"},
				"shutdown": hub.ErrShutdown, "subscribed": hub.ErrSubscribed, "many": hub.ErrTooManySubscriptions,
			}[words[2]]
		}
		p.push(hub.Push{Channel: o.Channel, Outcome: o})
	case "deliver":
		publication := &hub.Publication{Channel: words[1], Position: position(words[2]), Data: []byte(words[5])}
		kind, shapes, _ := strings.Cut(words[4], "+")
		publication.Kind = map[string]hub.Kind{"text": hub.Text, "json": hub.JSON, "binary": hub.Binary}[kind]
		a := hub.Attributes{}
		if words[3] != "-" {
			a.Event = words[3]
		}
		for shape := range strings.SplitSeq(shapes, "+") {
			a.Shape |= map[string]hub.Shape{"args": hub.ShapeArgs, "attachments": hub.ShapeAttachments, "framed": hub.ShapeFrame}[shape]
		}
		if a != (hub.Attributes{}) {
			publication.Attributes = &a
		}
		p.push(hub.Push{Channel: words[1], Delivery: &hub.Delivery{Publication: publication}})
	case "members", "changes": // CHANNEL TAG USER…, and of changes +USER or -USER
		members := func(sign string) (all []hub.Member) {
			for _, user := range strings.Fields(strings.Join(words[3:], " ")) {
				if name, ok := strings.CutPrefix(user, sign); ok {
					all = append(all, hub.Member{User: name, Info: `{"of": "` + name + `"}`})
				}
			}
			return all
		}
		if words[0] == "changes" {
			p.push(hub.Push{Channel: words[1], Changes: &hub.Changes{Channel: words[1], Joined: members("+"), Left: members("-"), IsPartial: words[2] == "partial"}})
			return
		}
		tag, _ := strconv.ParseUint(words[2], 10, 64)
		p.push(hub.Push{Channel: words[1], Outcome: &hub.Outcome{Tag: tag, Command: hub.CommandPresence, Channel: words[1], Roster: &hub.Roster{Members: members("")}}})
	case "gap":
		p.push(hub.Push{Channel: p.n.channel, Gap: &hub.Gap{From: position(words[1]), To: position(words[2]), Count: 3}})
	case "behind":
		p.push(hub.Push{Channel: p.n.channel, Behind: &hub.Behind{Err: errors.New("the disk is full")}})
	case "removed":
		p.push(hub.Push{Channel: words[1], Outcome: &hub.Outcome{Command: hub.CommandUnsubscribe, Channel: words[1], Err: &access.Refusal{Cause: access.Denied, Reason: "not any more"}}})
	case "end":
		reason := map[string]error{
			"expired": &access.Refusal{Cause: access.Expired, Reason: "token expired"}, "shutdown": hub.ErrShutdown, "slow": hub.ErrSlow,
			"ended": &hub.Ended{Code: 4403, Reason: "by the server"}, "moved": &hub.Ended{Code: 1012, Reason: "elsewhere", Reconnect: true},
		}[words[1]]
		p.do(func(_ time.Time, out *dialect.Effects) { p.n.End(reason, out) })
	case "answer": // of the backend to connect
		p.tell(input{connected: p.connected(strings.TrimPrefix(line, "answer "))})
	case "reply": // NUMBER JSON: of the backend to an event
		number, _ := strconv.ParseUint(words[1], 10, 64)
		text := strings.TrimPrefix(line, "reply "+words[1]+" ")
		got := &answered{number: number}
		if text == "none" {
			got.err = ErrUnanswered
		} else {
			got.EventAnswer = p.eventAnswer(text)
		}
		p.tell(input{answered: got})
	case "lose": // OFFSET: the connection is lost, and the client comes back
		positions, ok := p.record.at(strings.TrimPrefix(strings.TrimPrefix(line, "lose"), " "))
		p.say("recoverable: %v", ok)
		p.restore = nil
		if ok {
			p.restore = &recovering{record: p.record, positions: positions}
		}
		conn, err := packet.NewConn(packet.Limits{}, p.now)
		if err != nil {
			p.t.Fatal(err)
		}
		p.conn = conn
	default:
		p.t.Fatalf("what is %q?", line)
	}
}

func (p *player) connected(text string) *connected {
	if text == "denied" {
		return &connected{err: &access.Refusal{Cause: access.Denied, Reason: "the application says no"}}
	}
	if text == "none" {
		return &connected{err: ErrUnanswered}
	}
	var said struct {
		User string
		Join []string
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		p.t.Fatal(err)
	}
	return &connected{ConnectAnswer: &ConnectAnswer{User: said.User, Join: said.Join}}
}

func (p *player) eventAnswer(text string) *EventAnswer {
	var said struct {
		Ack         json.RawMessage
		Join, Leave []string
		Publish     []struct{ Channel, Event, Data string }
		Disconnect  bool
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		p.t.Fatal(err)
	}
	a := &EventAnswer{Ack: said.Ack, Join: said.Join, Leave: said.Leave, Disconnect: said.Disconnect}
	for _, m := range said.Publish {
		a.Publish = append(a.Publish, hub.Message{Channel: m.Channel, Data: []byte(m.Data), Attributes: &hub.Attributes{Event: m.Event}})
	}
	return a
}
