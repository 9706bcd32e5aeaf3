package session_test

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/engineio/internal/session"
)

// FuzzSession does anything in any order. However that is, effects are about what there is:
// a poll is answered once, nothing happens behind the end, and messages leave in order,
// each once.
func FuzzSession(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x04\x04\x06\x01\x07\x08\x04\x01\x09"))
	f.Add([]byte("\x01\x04\x05\x0a\x0b\x0c\x0d"))
	f.Add([]byte("\x00\x01\x04\x01\x0e\x02\x03\x03"))
	f.Add([]byte("\x02\x01\x04\x01\x06\x07\x0c\x08\x04\x10\x11"))
	f.Fuzz(func(t *testing.T, acts []byte) {
		if len(acts) == 0 {
			return
		}
		c := &chaos{t: t, now: 1, set: session.Settings{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second,
			UpgradeTimeout: 10 * time.Second, QueueBytesMax: 1000, QueueCountMax: 100, CanUpgrade: true}}
		version := 4
		if acts[0]&2 != 0 {
			version = 3
		}
		c.isV3 = version == 3
		c.hasSocket = acts[0]&1 != 0
		c.session = session.New(&c.set, version, false)
		var fx session.Effects
		c.session.Start(c.now, "SID", c.hasSocket, &fx)
		c.judge(&fx)
		for _, act := range acts[1:] {
			c.act(act)
		}
	})
}

// chaos does things to a session, and knows what there is.
type chaos struct {
	t       *testing.T
	session session.Session
	set     session.Settings
	now     session.Time
	isV3    bool

	waits, posts, hasSocket, hasProbe, ended bool
	sent, left                               byte // messages, by number
}

func (c *chaos) act(act byte) {
	var fx session.Effects
	switch act % 20 {
	case 1:
		had := c.waits
		switch c.session.Poll(c.now, &fx) {
		case session.Accepted:
			c.waits = true
		case session.Overlaps:
			if !had {
				c.t.Fatal("a poll overlaps none")
			}
		}
	case 2:
		if c.waits {
			c.waits = false
			c.session.PollLost(&fx)
		}
	case 3:
		c.posts = c.session.Post(&fx) == session.Accepted || c.posts
	case 4, 5:
		if c.sent == 255 {
			return
		}
		if c.session.Send(packet.Packet{Type: packet.Message, Binary: act%20 == 5, Data: []byte{0x40 | c.sent&0x3F}}, &fx) == nil {
			c.sent++
		}
	case 6:
		if !c.hasProbe && c.session.ProbeOpened(c.now) {
			c.hasProbe = true
		}
	case 7, 8, 9:
		if c.hasProbe {
			one := [...]packet.Packet{{Type: packet.Ping, Data: []byte("probe")}, {Type: packet.Upgrade}, {Type: packet.Message}}[act%20-7]
			c.session.ProbePacket(c.now, one, &fx)
		}
	case 10, 11, 12, 13:
		if c.posts || c.hasSocket {
			one := packet.Packet{Type: [...]packet.Type{packet.Message, packet.Ping, packet.Pong, packet.Close}[act%20-10]}
			c.session.Packet(c.now, one, &fx)
		}
	case 14:
		c.session.Flush(&fx)
	case 15:
		c.session.Shut(c.now, session.ForcedClose, &fx)
	case 16:
		if c.hasProbe {
			c.hasProbe = false
			c.session.ProbeClosed()
		}
	case 17:
		if c.hasSocket {
			c.hasSocket = false
			c.session.SocketClosed(session.TransportClose, &fx)
		}
	case 18:
		c.posts = false
		c.session.PostDone()
	case 19:
		due := c.session.Deadline()
		if due == session.Never {
			return
		}
		c.now = max(c.now, due)
		c.session.Expire(c.now, &fx)
		c.judge(&fx)
		if next := c.session.Deadline(); next <= c.now && !c.ended {
			c.t.Fatalf("it is %d and still due at %d", c.now, next)
		}
		return
	default:
		c.now += session.Time(act) * session.Time(50*time.Millisecond)
		c.session.Expire(c.now, &fx)
	}
	c.judge(&fx)
}

func (c *chaos) judge(fx *session.Effects) {
	for _, e := range fx.All() {
		if c.ended {
			c.t.Fatalf("%v behind the end", e.Kind)
		}
		switch e.Kind {
		case session.AnswerPoll:
			if !c.waits {
				c.t.Fatal("no poll waits for an answer")
			}
			c.waits = false
			encoding := packet.V4
			if c.isV3 {
				encoding = packet.V3Text
				if e.Octets {
					encoding = packet.V3Octets
				}
			}
			for b := e.Data; len(b) > 0; {
				one, n, err := encoding.Parse(b)
				if err != nil {
					c.t.Fatalf("%q: %v", e.Data, err)
				}
				b = b[n:]
				if one.Type == packet.Message {
					c.leaves(one.Data)
				}
			}
		case session.Send:
			if !c.hasSocket {
				c.t.Fatal("there is no socket to send to")
			}
			c.frames(e.Data)
		case session.SendProbe, session.CloseProbe:
			if !c.hasProbe {
				c.t.Fatal("there is no probe")
			}
			c.hasProbe = e.Kind == session.SendProbe
		case session.TakeProbe:
			if !c.hasProbe || c.hasSocket {
				c.t.Fatal("there is no probe, or there was a socket")
			}
			c.hasProbe, c.hasSocket = false, true
		case session.Close:
			if !c.hasSocket {
				c.t.Fatal("there is no socket to close")
			}
		case session.Ended:
			c.ended = true
		}
	}
	if c.ended && c.waits {
		c.t.Fatal("a poll waits for a session that has ended")
	}
	if c.ended != c.session.HasEnded() {
		c.t.Fatal("nobody was told of the end")
	}
}

// frames takes what goes to the socket.
func (c *chaos) frames(b []byte) {
	for len(b) > 0 {
		one, n := oneFrame(c.t, b)
		b = b[n:]
		p, err := packet.Packet{}, error(nil)
		if one.isBinary {
			version := 4
			if c.isV3 {
				version = 3
			}
			p, err = packet.ParseBinary(one.data, version)
		} else {
			p, err = packet.ParseText(one.data, 4)
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if p.Type == packet.Message {
			c.leaves(p.Data)
		}
	}
}

func (c *chaos) leaves(data []byte) {
	if len(data) != 1 || data[0] != 0x40|c.left&0x3F {
		c.t.Fatalf("message %v leaves, want %d", data, c.left)
	}
	c.left++
}
