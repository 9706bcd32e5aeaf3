package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// modelClient is a client that is written from docs/protocol.md, and checks that the
// server is as that page says.
type modelClient struct {
	r    *recoveryRun
	user string

	wires []*modelWire // all that are not over for both sides
	wire  *modelWire   // that it listens to; nil while there is none
	polls bool         // it is connected by polls, and wire is the one under way, if any
	in    []byte       // the beginning of an object
	posts [][]byte

	last        uint64    // the newest ID of a command
	id, secret  string    // of its session, "" for none
	node        int       // where that began
	hasEnded    bool      // it has heard, or said, that the session is over
	heardAt     time.Time // when the server has sent what was heard last of the session
	wroteAt     time.Time // the same, of any connection
	via         int       // the node of that
	connect     uint64    // the ID of that command on this connection
	mustResume  bool
	isConnected bool
	ack         uint64
	outbox      []string // until it is connected

	asked    map[uint64]*askedModel // commands of this connection that have no reply
	again    []*ownPublication      // without a reply, in order
	accounts map[string]*account    // of channels that it wants
	messages *account

	patterns map[string]*patternAccount
	begun    int            // how many of them have begun anew
	opened   int            // of them, on this connection
	times    map[string]int // how often a position of a channel that they match has come on it
}

// askedModel is a command without a reply.
type askedModel struct {
	verb    string
	channel string
	account *account
	own     *ownPublication
	since   hub.Position
	last    int
	top     hub.Position // of the channel when it was asked
	pattern *patternAccount
	isAgain bool // from a vector
}

// ownPublication is a publication that the client has made.
type ownPublication struct {
	id      uint64
	channel string
	raw     string
	line    string
	sent    int
}

// account is what the client knows of a subscription.
type account struct {
	channel  string
	position hub.Position // zero while it is not known
	last     int          // how it begins, without a position
	self     bool
	isOpen   bool // on this connection
	rate     int  // publications a second at most, 0 for all
	presence bool
	roster   *roster // of this connection
}

func newModelClient(r *recoveryRun, i int) *modelClient {
	return &modelClient{
		r: r, user: fmt.Sprint("c", i), asked: make(map[uint64]*askedModel), accounts: make(map[string]*account),
		patterns: make(map[string]*patternAccount), times: make(map[string]int),
	}
}

func (c *modelClient) notef(format string, args ...any) {
	if c.r.tell != nil {
		c.r.notef("%s: "+format, append([]any{c.user}, args...)...)
	}
}

func (c *modelClient) failf(format string, args ...any) {
	c.r.failf("%s: "+format, append([]any{c.user}, args...)...)
}

func (c *modelClient) next() uint64 {
	c.last++
	return c.last
}

// isUp reports whether the client has a connection, as far as it knows.
func (c *modelClient) isUp() bool { return c.wire != nil || c.polls }

// lose has the connection break at any byte.
func (c *modelClient) lose(w *modelWire) {
	if w == c.wire {
		n := c.r.roll(len(w.down) + 1)
		c.receive(n)
	}
	if w == c.wire && w != nil {
		c.notef("loses its %v", w.kind)
		isAgain := c.polls && c.isConnected && c.r.isOne(2)
		w.cut()
		c.wire, c.in = nil, nil
		if !isAgain { // else the same poll is made again
			c.abandon()
		}
	} else if !w.isCut {
		w.cut()
	}
}

// abandon forgets the connection. What has no reply is to be asked again.
func (c *modelClient) abandon() {
	if c.wire != nil {
		c.wire.cut()
	}
	for _, commands := range c.posts {
		if c.r.isOne(2) {
			c.r.strays = append(c.r.strays, stray{client: c, id: c.id, secret: c.secret, commands: commands})
		}
	}
	if c.polls && c.r.isOne(8) {
		c.r.strays = append(c.r.strays, stray{client: c, id: c.id, secret: c.secret, ack: c.ack})
	}
	c.wire, c.polls, c.in, c.posts, c.outbox = nil, false, nil, nil, nil
	c.isConnected, c.connect = false, 0
	for _, a := range c.asked {
		if a.verb == "unsubscribe" { // it is not subscribed to again
			delete(c.accounts, a.channel)
			delete(c.patterns, a.channel)
		}
	}
	clear(c.asked)
	for _, a := range c.accounts {
		a.isOpen, a.roster = false, nil
	}
	for _, a := range c.patterns {
		a.isOpen = false
	}
	c.opened = 0
	clear(c.times)
}

// reconnect opens a connection and says where it is (§6.2).
func (c *modelClient) reconnect(kind wireKind) {
	if c.isUp() {
		c.abandon()
	}
	c.connect, c.ack = c.next(), 0
	var resume string
	c.mustResume = false
	if c.id != "" && !c.r.isOne(20) {
		resume = fmt.Sprintf(`"resume":{"session":%q,"secret":%q}`, c.id, c.secret)
		// A connection before may turn out to be somebody's only now, and claim the session.
		isUndecided := c.r.isGuarded && slices.ContainsFunc(c.wires, func(w *modelWire) bool { return !w.isGone })
		c.mustResume = c.mayGoOn() && !isUndecided
	}
	if c.messages != nil && !c.messages.position.IsZero() {
		if resume != "" {
			resume += ","
		}
		resume += fmt.Sprintf(`"messages":%q`, c.messages.position)
	}
	c.asked[c.connect] = &askedModel{verb: "connect"}
	lines := []string{fmt.Sprintf(`{"id":%d,"connect":{%s}}`, c.connect, resume)}
	for _, name := range slices.Sorted(maps.Keys(c.accounts)) {
		lines = append(lines, c.subscribe(c.accounts[name]))
	}
	lines = append(lines, c.resubscribePatterns()...)
	for _, o := range c.again {
		o.sent++
		c.asked[o.id] = &askedModel{verb: "publish", channel: o.channel, own: o}
		lines = append(lines, o.line)
	}
	c.notef("opens %v with %s", kind, lines)
	c.polls = kind == wirePoll
	c.wire = c.r.open(c, kind, []byte(strings.Join(lines, "\n")))
}

// subscribe is the command that asks for a channel from where the client is.
func (c *modelClient) subscribe(a *account) string {
	id := c.next()
	one := &askedModel{verb: "subscribe", channel: a.channel, account: a, since: a.position, last: a.last, top: c.r.top(a.channel)}
	c.asked[id] = one
	options := ""
	if !a.position.IsZero() {
		options = fmt.Sprintf(`,"since":%q`, a.position)
	} else if a.last > 0 {
		options = fmt.Sprintf(`,"last":%d`, a.last)
	}
	if !a.self {
		options += `,"self":false`
	}
	if a.presence {
		options += `,"presence":true`
	}
	if a.rate > 0 {
		options += fmt.Sprintf(`,"rate":%d`, a.rate)
	}
	return fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q%s}}`, id, a.channel, options)
}

// top is the newest position of a channel.
func (r *recoveryRun) top(channel string) hub.Position {
	_, newest := r.broker.held(channel)
	return newest
}

// say sends a command.
func (c *modelClient) say(line string) {
	c.notef("says %s", line)
	switch {
	case c.wire != nil && c.wire.kind == wireSocket:
		c.wire.up = append(c.wire.up, []byte(line))
	case c.isConnected:
		c.posts = append(c.posts, []byte(line))
	default:
		c.outbox = append(c.outbox, line)
	}
}

// ask does one of the things that a client may want.
func (c *modelClient) ask() {
	r := c.r
	channel := r.names[r.roll(len(r.names))]
	if r.isOne(2) {
		if len(c.again) >= 30 {
			return
		}
		hasKey, prefix := r.isOne(3), "-"
		if hasKey {
			prefix = "-k"
		}
		o := &ownPublication{id: c.next(), channel: channel, raw: r.payload(c.user + prefix)}
		options := ""
		if hasKey {
			options = fmt.Sprintf(`,"idempotency_key":%q`, o.raw)
		}
		o.line = fmt.Sprintf(`{"id":%d,"publish":{"channel":%q,"data":%q%s}}`, o.id, channel, o.raw, options)
		c.again = append(c.again, o)
		if c.isUp() {
			o.sent++
			c.asked[o.id] = &askedModel{verb: "publish", channel: channel, own: o}
			c.say(o.line)
		}
		return
	}
	if len(c.asked) > 40 || !c.isUp() {
		return
	}
	a := c.accounts[channel]
	switch r.roll(8) {
	case 0, 1, 2, 3:
		switch {
		case a == nil:
			a = &account{channel: channel, self: !r.isOne(3), last: r.roll(4), presence: r.isOne(4)}
			if r.isOne(5) {
				a.rate = 1 + r.roll(5)
			}
			c.accounts[channel] = a
			c.say(c.subscribe(a))
		case a.isOpen && r.isOne(3) && !c.isLeaving(channel):
			id := c.next()
			c.asked[id] = &askedModel{verb: "unsubscribe", channel: channel}
			c.say(fmt.Sprintf(`{"id":%d,"unsubscribe":{"channel":%q}}`, id, channel))
		}
	case 4, 5:
		id := c.next()
		one := &askedModel{verb: "history", channel: channel, last: 1 + r.roll(5)}
		how := fmt.Sprintf(`"last":%d`, one.last)
		if a != nil && !a.position.IsZero() && r.isOne(2) {
			one.since, one.last = a.position, 0
			how = fmt.Sprintf(`"since":%q`, a.position)
		}
		c.asked[id] = one
		c.say(fmt.Sprintf(`{"id":%d,"history":{"channel":%q,%s}}`, id, channel, how))
	case 6:
		id := c.next()
		c.asked[id] = &askedModel{verb: "digest", channel: channel}
		c.say(fmt.Sprintf(`{"id":%d,"digest":{"channel":%q,"last":%d}}`, id, channel, 1+r.roll(5)))
	case 7:
		id := c.next()
		c.asked[id] = &askedModel{verb: "ping"}
		c.say(fmt.Sprintf(`{"id":%d,"ping":{}}`, id))
	}
}

func (c *modelClient) isLeaving(channel string) bool {
	for _, a := range c.asked {
		if a.verb == "unsubscribe" && a.channel == channel {
			return true
		}
	}
	return false
}

// send has the server receive what was said first.
func (c *modelClient) send() (any bool) {
	if c.wire != nil && c.wire.kind == wireSocket {
		return c.wire.receive()
	}
	if len(c.posts) == 0 {
		return false
	}
	commands := c.posts[0]
	c.posts = c.posts[1:]
	if !c.r.post(c.id, c.secret, commands) {
		c.notef("a POST is answered with 404")
		c.abandon()
	}
	return true
}

// poll makes the next poll, or goes on as a stream.
func (c *modelClient) poll() (any bool) {
	if !c.polls || c.wire != nil {
		return false
	}
	kind := wirePoll
	if c.r.isOne(10) {
		kind = []wireKind{wireEvents, wireLines}[c.r.roll(2)]
	}
	c.notef("polls by %v with ack %d", kind, c.ack)
	if c.wire = c.r.goOn(c, kind, c.id, c.secret, c.ack); c.wire == nil {
		c.notef("its session is unknown")
		if c.mayGoOn() {
			c.failf("a session of which something was heard %v ago is unknown", time.Since(c.heardAt))
		}
		c.abandon()
		return true
	}
	c.polls = kind == wirePoll
	return true
}

// mayGoOn reports whether the session has to be there.
func (c *modelClient) mayGoOn() bool {
	return !c.hasEnded && !c.r.disconnects && c.node == c.r.node && time.Since(c.heardAt) < DefaultSessionTimeout
}

// receive has the client receive so many bytes.
func (c *modelClient) receive(n int) (any bool) {
	w := c.wire
	if w == nil {
		return false
	}
	n = min(n, len(w.down))
	c.in = append(c.in, w.down[:n]...)
	w.down = w.down[n:]
	if any = n > 0; any {
		c.wroteAt, c.via = w.wroteAt, w.node
		if c.isConnected {
			c.heardAt = w.wroteAt
		}
	}
	for w == c.wire {
		object, ok := c.object()
		if !ok {
			break
		}
		if len(object) > 2 { // else it is a heartbeat
			c.hear(object)
		}
	}
	if w == c.wire && w.isEnded && len(w.down) == 0 {
		c.finish(w)
		any = true
	}
	return any
}

// object takes the next object of a stream or a socket out of what was received.
func (c *modelClient) object() (object []byte, ok bool) {
	switch c.wire.kind {
	case wireSocket:
		object, c.in, ok = nextFrame(c.in)
		return object, ok
	case wirePoll:
		return nil, false
	}
	line, rest, ok := bytes.Cut(c.in, []byte{'\n'})
	if !ok {
		return nil, false
	}
	c.in = rest
	if c.wire.kind == wireEvents {
		line, ok = bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			line = nil
		}
	}
	return line, true
}

// finish is the end of a response, or of a connection.
func (c *modelClient) finish(w *modelWire) {
	w.isCut = true
	w.forget()
	if w.kind != wirePoll || w.isRefused || len(c.in) == 0 {
		c.notef("its %v is over, refused: %v", w.kind, w.isRefused)
		c.wire = nil
		c.abandon()
		return
	}
	var page struct {
		Poll     uint64
		Messages []json.RawMessage
	}
	if err := json.Unmarshal(c.in, &page); err != nil {
		c.failf("a page is %q: %v", c.in, err)
		return
	}
	c.wire, c.in = nil, nil
	if page.Poll > 0 { // docs/protocol.md §6.4
		c.ack = page.Poll
	}
	c.notef("page %d", page.Poll)
	for _, object := range page.Messages {
		if c.isUp() {
			c.hear(object)
		}
	}
	if c.polls && !c.isConnected { // connect was refused
		c.abandon()
	}
}
