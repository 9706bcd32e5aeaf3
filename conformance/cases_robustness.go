package conformance

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// dialogue has every kind of frame and every form of length, and what must come
// back whatever pieces it arrives in.
func dialogue() (frames []frame, wants []step) {
	long, longer := pattern(200), pattern(70_000)
	return []frame{
			text("aé€🐦"), ping("p"), text("one ").more(), cont("").more(), ping("q"), cont("two"),
			message(wire.Binary, "\x00\xff"), pong("unasked"), text(long), message(wire.Binary, longer), text(""),
		}, []step{
			wantsText("aé€🐦"), wantsText("one two"),
			wantsMessage(wire.Binary, "\x00\xff"), wantsText(long), wantsMessage(wire.Binary, longer), wantsText(""),
		}
}

// robustnessCases are about bytes that come in odd pieces, too slowly, too many,
// or not at all.
func robustnessCases() []Case {
	var list []Case
	add := func(roles Role, id, section, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: roles, play: play})
	}
	for _, n := range []int{2, 3, 5, 7, 11, 64, 1000, 1460, 4096, 16384} {
		frames, wants := dialogue()
		add(both, fmt.Sprintf("chunks-%d", n), "RFC 6455 §5.2", fmt.Sprintf("where the transport cuts does not matter: a dialogue %d bytes at a time", n),
			script(append([]step{sendsIn(n, frames...)}, wants...)...))
	}
	add(both, "chunks-none", "RFC 6455 §5.2", "where the transport cuts does not matter: a dialogue in one write", func(s *session) {
		frames, wants := dialogue()
		s.open()
		s.take(sends(frames...))
		s.take(wants...)
		s.goodbye()
	})
	// Two frames and a half: the cut is in the header, the mask, the payload.
	for cut := 1; cut <= 40; cut++ {
		add(both, fmt.Sprintf("cut-%d", cut), "RFC 6455 §5.2", fmt.Sprintf("a dialogue in two writes, cut after %s, is understood", byteCount(cut)), script(
			sendsSplit(cut, text("a€").more(), ping("p"), cont("z"), text(pattern(126))),
			wantsBoth("p", wire.Text, "a€z", pattern(126))))
	}
	list = append(list, Case{ID: "drip", Section: "RFC 6455 §5.2", roles: both, slow: true,
		Checks: "a message that drips in, a byte every 20 ms, is echoed", play: script(func(s *session) {
			for _, b := range s.encode(text("slow but steady, κόσμε")) {
				s.conn.Write([]byte{b})
				s.pause(20 * time.Millisecond)
			}
		}, wantsText("slow but steady, κόσμε"), echoes(text("fast")))})
	add(both, "quiet", "RFC 6455 §5.5.2", "a connection on which nothing happens for a second stays open",
		script(echoes(text("before")), wantsNothing(patience), echoes(text("after"))))

	add(both, "flood-pings", "RFC 6455 §5.5.3", "after 10,000 pings the newest has been answered and messages are echoed", func(s *session) {
		frames, payloads := make([]frame, 10_000), make([]string, 10_000)
		for i := range frames {
			payloads[i] = fmt.Sprint(i)
			frames[i] = ping(payloads[i])
		}
		s.open()
		s.take(sends(frames...), wantsPongOrLimit(payloads...), echoes(text("after")))
		s.goodbye()
	})
	add(both, "flood-pongs", "RFC 6455 §5.5.3", "after 10,000 pongs that nobody asked for messages are echoed",
		script(sends(repeat(pong(pattern(125)), 10_000)...), echoes(text("after"))))
	add(both, "flood-messages", "RFC 6455 §5.4", "10,000 small messages come back whole and in order", func(s *session) {
		frames := make([]frame, 10_000)
		for i := range frames {
			frames[i] = text(fmt.Sprint(i))
		}
		s.open()
		s.take(sends(frames...))
		for _, f := range frames {
			if s.over {
				return
			}
			s.awaitMessage(wire.Text, f.payload)
		}
		s.goodbye()
	})
	add(both, "flood-empty", "RFC 6455 §5.4", "5,000 empty messages come back", func(s *session) {
		s.open()
		s.take(sends(repeat(binaryOf(nil), 5000)...))
		for range 5000 {
			if s.over || !s.awaitMessage(wire.Binary, nil) {
				return
			}
		}
		s.goodbye()
	})
	list = append(list, Case{ID: "not-read", Section: "RFC 6455 §10.4", roles: Server, slow: true,
		Checks: "when its client does not read, a server holds back or ends the connection; nothing is lost or mixed up", play: notRead})
	return append(list, vanishingCases()...)
}

// notRead sends megabytes without reading, then reads them.
func notRead(s *session) {
	const messages, size = 64, 64 << 10
	s.dry = true
	s.open()
	s.dry = false
	if s.over {
		return
	}
	sent := make(chan struct{})
	go func(conn net.Conn) {
		defer close(sent)
		for i := range messages {
			f := message(wire.Binary, fmt.Sprint(i)+pattern(size))
			b, _ := f.encode(true, [4]byte{1, 2, 3, byte(i)})
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}(s.conn)
	s.log.remark("%d messages of %d bytes are sent, and nothing is read for a second", messages, size)
	s.pause(patience)
	s.listen()
	for i := range messages {
		a := s.next(0)
		for a.kind == aPing || a.kind == aPong {
			a = s.next(0)
		}
		switch {
		case a.kind == aMessage && string(a.payload) == fmt.Sprint(i)+pattern(size):
			continue
		case a.kind == aClose || a.kind == anEnd:
			s.inform("the server ended the connection after %d of %d messages", i, messages)
		case a.kind != aMistake:
			s.fail("%s came instead of message %d", &a, i)
		}
		break
	}
	if s.verdict == Pass {
		<-sent
		s.goodbye()
		return
	}
	s.conn.Close()
	<-sent
}

// vanishingCases leave a server alone in every state, and see that it goes on
// serving others.
func vanishingCases() []Case {
	const section = "RFC 6455 §7.1.5"
	var list []Case
	add := func(id, checks string, play func(*session)) {
		list = append(list, Case{ID: id, Checks: checks, Section: section, roles: Server, play: func(s *session) {
			play(s)
			if s.over {
				return
			}
			s.detach()
			s.log.remark("another connection")
			s.open()
			s.take(echoes(text("still serving")))
			s.goodbye()
		}})
	}
	for _, c := range []struct {
		name, what string
		do         step
	}{
		{"idle", "between messages", func(*session) {}},
		{"in-header", "within a frame's header", sendsPart(text(pattern(1000)), 3)},
		{"in-payload", "within a frame", sendsPart(text(pattern(1000)), 300)},
		{"in-message", "between fragments", sends(text("never ended").more())},
		{"busy", "right after a thousand messages", sends(repeat(text(pattern(1000)), 1000)...)},
		{"closing", "right after its close frame", sends(closing(wire.CloseNormal, ""))},
		{"faulty", "right after a fault", sends(message(0x7, "reserved"))},
	} {
		add("reset-"+c.name, "a client that resets the connection "+c.what+" disturbs nobody else", func(s *session) {
			s.open()
			s.take(c.do)
			if !s.over {
				s.reset()
			}
		})
	}
	for _, c := range []struct{ name, what, bytes string }{
		{"nothing", "sends nothing", ""},
		{"part", "sends a part of its request", "GET / HTTP/1.1\r\nHost: exam"},
		{"garbage", "sends bytes that are not HTTP", "\x00\x01\x02\x03\xff\xfe\r\n\r\n"},
		{"tls", "begins a TLS handshake on a port of its own choice", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{"line", "sends 100,000 bytes without a line end", strings.Repeat("A", 100_000)},
		{"frame", "sends a frame in place of a request", "\x81\x85\x01\x02\x03\x04abcde"},
	} {
		add("opening-"+c.name, "a client that "+c.what+" and goes away disturbs nobody else", func(s *session) {
			if !s.dial() {
				return
			}
			s.log.sent("%s", showHead(c.bytes))
			s.write([]byte(c.bytes), 0)
			s.reset()
		})
	}
	add("twenty-at-once", "twenty connections at once are kept apart", func(s *session) {
		var all sync.WaitGroup
		failed := make(chan string, 20)
		for i := range 20 {
			all.Go(func() {
				other := newSession(s.ctx, s.suite, &Case{ID: fmt.Sprint("other-", i)})
				defer other.detach()
				other.open()
				for j := range 20 {
					other.take(echoes(text(fmt.Sprintf("message %d of connection %d", j, i))))
				}
				if other.over {
					failed <- other.detail()
				}
				other.goodbye()
			})
		}
		all.Wait()
		close(failed)
		for detail := range failed {
			s.fail("%s", detail)
		}
	})
	return list
}
