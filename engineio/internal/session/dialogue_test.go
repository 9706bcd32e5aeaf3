package session_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws/wire"
)

// TestDialogues plays every dialogue: the input of a session, and its effects. With
// -update it writes that.
func TestDialogues(t *testing.T) {
	golden.Play(t, "testdata/*.txt", play)
}

// player has one session.
type player struct {
	t       *testing.T
	out     strings.Builder
	session session.Session
	set     session.Settings
	now     session.Time
}

// play returns the dialogue as it went: the lines that say something to the session, each
// with what it did. A line that is indented was written by an earlier play.
func play(t *testing.T, script string) string {
	p := &player{t: t}
	for in := bufio.NewScanner(strings.NewReader(script)); in.Scan(); {
		line := in.Text()
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&p.out, line)
		if line != "" && line[0] != '#' {
			word, rest, _ := strings.Cut(line, " ")
			p.do(word, rest)
		}
	}
	return p.out.String()
}

func (p *player) say(format string, args ...any) { fmt.Fprintf(&p.out, "  "+format+"\n", args...) }

func (p *player) do(word, rest string) {
	var fx session.Effects
	switch word {
	case "begin":
		p.begin(rest, &fx)
	case "at":
		p.until(rest)
		return
	case "poll":
		p.verdict(p.session.Poll(p.now, &fx), "poll")
	case "lose-poll":
		p.session.PollLost(&fx)
	case "post":
		if !p.verdict(p.session.Post(&fx), "post") {
			break
		}
		for _, text := range strings.Split(rest, "|") {
			p.packet(text, &fx)
		}
		p.effects(&fx)
		p.session.PostDone()
		return
	case "begin-post":
		p.verdict(p.session.Post(&fx), "post")
	case "socket":
		p.packet(rest, &fx)
	case "lose-socket":
		p.session.SocketClosed(session.TransportError, &fx)
	case "open-probe":
		if !p.session.ProbeOpened(p.now) {
			p.say("probe is refused")
		}
	case "probe":
		one, err := packet.ParseText([]byte(rest), p.session.Version())
		if err != nil {
			p.session.ProbeFailed(&fx)
		} else if p.session.ProbePacket(p.now, one, &fx) {
			p.say("it has moved")
		}
	case "lose-probe":
		if !p.session.ProbeClosed() {
			p.say("there is none")
		}
	case "send", "write": // write is a send in a turn that goes on
		one := packet.Packet{Type: packet.Message, Data: []byte(rest)}
		if strings.HasPrefix(rest, "x") {
			one.Binary = true
			one.Data, _ = hex.DecodeString(rest[1:])
		}
		if !one.Binary && !p.session.CanSend(one.Data) {
			p.say("it cannot be sent")
			break
		}
		if err := p.session.Send(one, &fx); err != nil {
			p.say("%v", err)
		}
		if word == "send" {
			p.session.Flush(&fx)
		}
	case "flush":
		p.session.Flush(&fx)
	case "buffered":
		p.say("%d", p.session.Buffered())
	case "shut":
		p.session.Shut(p.now, session.ForcedClose, &fx)
	case "end":
		p.session.End(session.ShuttingDown, &fx)
	case "deadline":
		if at := p.session.Deadline(); at == session.Never {
			p.say("never")
		} else {
			p.say("%v", time.Duration(at-1))
		}
	default:
		p.t.Fatalf("%q says nothing", word)
	}
	p.effects(&fx)
}

// begin makes the session, at time 0: "polling", or "websocket", and options.
func (p *player) begin(options string, fx *session.Effects) {
	p.now = 1
	p.set = session.Settings{
		PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second, UpgradeTimeout: 10 * time.Second,
		MaxPayload: 1e6, QueueBytesMax: 100, QueueCountMax: 4, CanUpgrade: true,
	}
	version, base64 := 4, false
	words := strings.Fields(options)
	for _, o := range words[1:] {
		name, value, _ := strings.Cut(o, "=")
		d, _ := time.ParseDuration(value)
		switch name {
		case "v3":
			version = 3
		case "b64":
			base64 = true
		case "timeout":
			p.set.PingTimeout = d
		case "no-upgrades":
			p.set.CanUpgrade = false
		default:
			p.t.Fatalf("%q is no option", o)
		}
	}
	p.session = session.New(&p.set, version, base64)
	p.session.Start(p.now, "SID", words[0] == "websocket", fx)
}

// until lets time pass, and has each deadline acted on when it comes.
func (p *player) until(at string) {
	d, err := time.ParseDuration(at)
	if err != nil {
		p.t.Fatal(err)
	}
	end := 1 + session.Time(d)
	for {
		due := p.session.Deadline()
		if due > end {
			break
		}
		p.now = max(p.now, due)
		var fx session.Effects
		p.session.Expire(p.now, &fx)
		if len(fx.All()) > 0 {
			p.say("%v", time.Duration(p.now-1))
		}
		p.effects(&fx)
		if p.session.Deadline() <= due && len(fx.All()) == 0 {
			p.t.Fatalf("at %v nothing was done, and it is still due", time.Duration(due-1))
		}
	}
	p.now = end
}

func (p *player) packet(text string, fx *session.Effects) {
	var one packet.Packet
	var err error
	if strings.HasPrefix(text, "x") {
		b, _ := hex.DecodeString(text[1:])
		one, err = packet.ParseBinary(b, p.session.Version())
	} else {
		one, err = packet.ParseText([]byte(text), p.session.Version())
	}
	if err != nil {
		p.session.End(session.ParseError, fx)
		return
	}
	if p.session.Packet(p.now, one, fx) {
		kind := "text"
		if one.Binary {
			kind = "bytes"
		}
		p.say("message: %s %q", kind, one.Data)
	}
}

func (p *player) verdict(v session.Verdict, what string) bool {
	switch v {
	case session.Unknown:
		p.say("%s is refused: the session is unknown", what)
	case session.Misplaced:
		p.say("%s is refused: a WebSocket carries the session", what)
	case session.Overlaps:
		p.say("%s is refused: there is one", what)
	}
	return v == session.Accepted
}

var reasons = map[session.Reason]string{
	session.TransportClose: "transport close", session.TransportError: "transport error", session.PingTimeout: "ping timeout",
	session.ParseError: "parse error", session.QueueFull: "queue full", session.ForcedClose: "forced close", session.ShuttingDown: "shutting down",
}

func (p *player) effects(fx *session.Effects) {
	for _, e := range fx.All() {
		switch e.Kind {
		case session.AnswerPoll:
			kind := ""
			if e.Octets {
				kind = "octets "
			}
			p.say("poll gets %s%s", kind, strconv.Quote(string(e.Data)))
		case session.Send:
			p.say("socket gets %s", frames(p.t, e.Data))
		case session.SendProbe:
			p.say("probe gets %s", frames(p.t, e.Data))
		case session.Close:
			p.say("socket is closed")
		case session.CloseProbe:
			p.say("probe is closed")
		case session.TakeProbe:
			p.say("probe is the socket now")
		case session.Drained:
			p.say("drained")
		case session.Ended:
			p.say("ended: %s", reasons[p.session.Reason()])
		case session.FreePolling:
		}
	}
}

// frames shows whole frames.
func frames(t *testing.T, b []byte) string {
	var all []string
	for len(b) > 0 {
		one, n := oneFrame(t, b)
		kind := "text"
		if one.isBinary {
			kind = "binary"
		}
		all = append(all, fmt.Sprintf("%s %q", kind, one.data))
		b = b[n:]
	}
	return strings.Join(all, ", ")
}

type frame struct {
	isBinary bool
	data     []byte
}

// oneFrame returns the first frame of b, and its length.
func oneFrame(t *testing.T, b []byte) (frame, int) {
	h, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 || int64(len(b)-n) < h.Length || !h.Fin || h.Masked {
		t.Fatalf("%q is no frame: %v", b, err)
	}
	return frame{h.Opcode == wire.Binary, b[n : n+int(h.Length)]}, n + int(h.Length)
}
