package transport

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// spokenStage plays a script without any carrier: conversations, dialects and the
// hub, step by step in one goroutine. It runs in a bubble of virtual time.
type spokenStage struct {
	t         *testing.T
	transport *Transport
	clients   []*spoken
	woken     signal
}

func (s *spokenStage) isVirtual() bool { return true }

func (s *spokenStage) note(*act, *player) {}

// spoken is a client of a spokenStage together with what would carry it.
type spoken struct {
	conversation
	stage    *spokenStage
	path     string
	isSocket bool
	opening  bool // something that lasts
	isWoken  atomic.Bool
	inbound  []dialect.Frame // that are not read yet, because the session is busy
	lines    []string
	line     string // of a stream, as far as it has come
	answered bool
	over     bool
}

func (s *spokenStage) open(a *act) client {
	c := &spoken{stage: s, path: a.path, isSocket: a.kind == WebSocket, opening: a.kind != ""}
	at, query, _ := strings.Cut(a.path, "?")
	on, ok := routeOf(at)
	if !ok || on.presence {
		c.ask(a)
		return c
	}
	asked := a.asked(at, query)
	if on.connect {
		c.openSession(a, asked)
		return c
	}
	channel, err := channelName(on.name)
	if err != nil {
		c.refuse(&refusal{problem: ProblemChannelName}, a.kind != "")
		return c
	}
	d, refused := s.transport.dialectOf(a, asked, channel)
	if refused != nil {
		c.refuse(refused, a.kind != "")
		return c
	}
	c.converse(d, nil)
	return c
}

// converse begins the conversation.
func (c *spoken) converse(d dialect.Dialect, v *visitor) {
	s := c.stage
	c.conversation = conversation{t: s.transport, dialect: d, visitor: v, wake: func() {
		c.isWoken.Store(true)
		s.woken.wake()
	}}
	s.clients = append(s.clients, c)
	m := new(scratch)
	c.begin(m)
	c.apply(m)
}

// openSession is a request for ConnectPath.
func (c *spoken) openSession(a *act, asked *asked) {
	t := c.stage.transport
	var d decision
	if c.isSocket {
		d = t.decideSocket(asked)
		d.dialect = d.socket
	} else {
		d = t.decide(asked)
	}
	if d.content != nil && d.response == nil {
		if len(a.data) > t.o.SessionBytesMax {
			d = t.refused(d, refuseTooLarge(t.o.SessionBytesMax, "sent"))
		} else if a.data != "" {
			d.content.SetContent([]byte(a.data))
		}
	}
	if r := d.response; r != nil {
		header := http.Header{}
		for _, f := range r.fields {
			header.Add(f.name, f.value)
		}
		prefix := "< "
		if c.opening {
			prefix = "is refused: "
		}
		c.hears(prefix + answered(r.status, header, r.body))
		c.end()
		return
	}
	c.converse(d.dialect, t.visitOf(&d, asked, c.isSocket))
}

// asked is the request of a.
func (a *act) asked(path, query string) *asked {
	return &asked{method: a.requestMethod(), path: path, query: query, http: &http.Request{Header: a.header(), Body: http.NoBody}}
}

// header is the header of the request of a.
func (a *act) header() http.Header {
	header := http.Header{}
	for i := 0; i+1 < len(a.fields); i += 2 {
		header.Add(a.fields[i], a.fields[i+1])
	}
	switch {
	case a.verb == verbPosts && header.Get("Content-Type") == "":
		header.Set("Content-Type", "text/plain")
	case a.kind == SSE:
		header.Set("Accept", "text/event-stream")
	case a.kind == NDJSON:
		header.Set("Accept", "application/x-ndjson")
	}
	return header
}

// dialectOf is the dialect of a request, as the handlers choose it.
func (t *Transport) dialectOf(a *act, asked *asked, channel string) (dialect.Dialect, *refusal) {
	switch {
	case a.verb == verbPosts:
		m, refused := t.publication(asked, channel)
		if refused != nil {
			return nil, refused
		}
		if len(a.data) > t.o.BodyBytesMax {
			return nil, refuseTooLarge(t.o.BodyBytesMax, "published")
		}
		fill(&m, []byte(a.data))
		return dialect.NewPost(m), nil
	case a.kind == WebSocket:
		q, err := parseQueryOf(channel, asked.query)
		if err != nil {
			return nil, refuseQuery(err)
		}
		d := dialect.NewSocket(channel, q.envelope, hub.SubscribeOptions{Since: q.since, Last: max(0, q.last), Vector: q.vector, ExcludeSelf: !q.self})
		if q.json {
			d.PublishJSON()
		}
		return d, nil
	}
	return t.readDialect(asked, channel)
}

// ask has a request that begins no conversation served in memory.
func (c *spoken) ask(a *act) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", a.path, nil)
	r.Header = a.header()
	c.stage.transport.ServeHTTP(w, r)
	c.hears("< " + answered(w.Code, w.Header(), w.Body.Bytes()))
}

func (c *spoken) hears(line string) { c.lines = append(c.lines, line) }

func (c *spoken) hear(n int) []string {
	if n < 0 {
		n = len(c.lines)
	}
	heard := c.lines[:n:n]
	c.lines = c.lines[n:]
	return heard
}

// problemName is how a problem is shown.
func problemName(typ string) string { return path.Base(typ) }

// refuse answers with a problem. opening says that something was to be opened.
func (c *spoken) refuse(f *refusal, opening bool) {
	text := heardAnswer(f.problem.Status, f.problem.Name, func(name string) string {
		if name == "Retry-After" && f.retryAfter {
			return "2" // see newTransport
		}
		return ""
	})
	if opening {
		c.hears("is refused: " + text)
	} else {
		c.hears("< " + text)
	}
	c.end()
}

func (c *spoken) end() {
	c.over = true
	if c.conversation.t != nil {
		c.close()
	}
}

func (c *spoken) say(isBinary bool, data string) {
	c.inbound = append(c.inbound, dialect.Frame{Binary: isBinary, Data: []byte(data)})
	c.read()
}

// read gives the conversation what the client has sent, while it is not busy.
func (c *spoken) read() {
	for len(c.inbound) > 0 && !c.over && !c.isBusy() {
		f := c.inbound[0]
		c.inbound = c.inbound[1:]
		m := new(scratch)
		c.receive(f.Binary, f.Data, m)
		clear(f.Data) // it was the carrier's
		c.apply(m)
	}
}

func (c *spoken) leave() {
	if l := c.link(); l != nil && c.isSocket {
		l.isOver = true // it has closed in good order
	}
	c.end()
}

func (c *spoken) vanish() { c.end() }

// wait goes on until nobody has anything to do, for as long as a says.
func (s *spokenStage) wait(a *act, _ *player) {
	until := time.Now().Add(a.passes)
	if a.verb != verbPass {
		until = time.Now()
	}
	for {
		s.settle()
		next := until
		for _, c := range s.clients {
			if deadline := c.deadline(); !deadline.IsZero() && deadline.Before(next) {
				next = deadline
			}
		}
		if !time.Now().Before(until) {
			return
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-s.woken:
		}
		timer.Stop()
	}
}

func (c *spoken) deadline() time.Time {
	if c.over {
		return time.Time{}
	}
	return c.dialect.Deadline()
}

// settle lets everything happen that happens now.
func (s *spokenStage) settle() {
	for progress := true; progress; {
		synctest.Wait()
		progress = false
		for _, c := range s.clients {
			m := new(scratch)
			deadline := c.deadline()
			switch {
			case c.isWoken.Swap(false):
				if c.over {
					continue
				}
				c.take(m)
			case !deadline.IsZero() && !time.Now().Before(deadline):
				c.expire(time.Now(), m)
			default:
				continue
			}
			progress = true
			c.apply(m)
			c.read()
		}
		s.clients = slices.DeleteFunc(s.clients, func(c *spoken) bool { return c.over })
	}
}

// apply makes lines of what the dialect decided.
func (c *spoken) apply(m *scratch) {
	e := &m.effects
	if a := e.Answer; a != nil {
		if c.answered {
			c.stage.t.Error("the request is answered twice")
		}
		c.answered = true
		if a.Err != nil {
			c.refuse(c.stage.transport.refuseHub(c.path, a.Err), c.opening)
			return
		}
		if a.IsWhole {
			var body []byte
			for _, frame := range e.Frames {
				body = append(body, frame...)
			}
			c.hears("< " + heardAnswer(a.Status, string(body), func(name string) string {
				switch {
				case name == "Preference-Applied" && a.HasWait:
					return fmt.Sprintf("wait=%d", int(a.Wait.Seconds()))
				case name == "Idempotency-Replayed" && a.Replayed:
					return "true"
				}
				return ""
			}))
			c.end()
			return
		}
		c.hears(heardOpen(a.Begin()))
	}
	for _, frame := range e.Frames {
		c.hearsFrame(frame)
	}
	if e.Closing == nil {
		return
	}
	if !c.answered {
		c.stage.t.Error("the conversation is over, and the request has no answer")
	}
	if c.isSocket {
		c.hears(heardClose(e.Closing.Code, e.Closing.Reason))
	} else {
		c.hears(heardEnd)
	}
	c.end()
}

func (c *spoken) hearsFrame(frame []byte) {
	if !c.answered {
		c.stage.t.Errorf("%q comes before the answer", frame)
	}
	if c.isSocket {
		for len(frame) > 0 {
			h, n, err := wire.ParseHeader(frame)
			if err != nil || n == 0 || int64(len(frame)-n) < h.Length || h.Masked || !h.Fin {
				c.stage.t.Fatalf("%q is no frame of a server: %v", frame, err)
			}
			end := n + int(h.Length)
			c.hears(heardMessage(h.Opcode == wire.Binary, string(frame[n:end])))
			frame = frame[end:]
		}
		return
	}
	lines := strings.Split(c.line+string(frame), "\n")
	c.line = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		c.hears(heardLine(line))
	}
}
