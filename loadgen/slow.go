package loadgen

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// SlowPeers are subscribers of Fanout that read a little at a time, beside those that are
// measured: what they cost is seen in the figures of the others.
type SlowPeers struct {
	Peers          int `json:"peers"`
	BytesPerSecond int `json:"bytes_per_second"` // that each read until the last publication

	// Received are publications that they got, and LeftOut those that the server said
	// it had left out (in gaps of Godwit's envelopes with a count).
	Received int64 `json:"received"`
	LeftOut  int64 `json:"left_out"`

	// Newest is how many had the last publication at the end, when they read as fast as
	// they could, and Ended how many had lost their connection.
	Newest int `json:"newest"`
	Ended  int `json:"ended"`
}

// slowBufferBytes is the receive buffer of a slow peer: what a kernel takes for it does
// not wait with the server. hurryBufferBytes is that at the end.
const (
	slowBufferBytes  = 4 << 10
	hurryBufferBytes = 1 << 20
)

// slowPeer is a subscriber that takes its time.
type slowPeer struct {
	fanout   *fanout
	conn     *ws.Conn
	received atomic.Int64
	leftOut  atomic.Int64
	next     atomic.Uint64 // the number after the newest that it has
	gone     atomic.Bool
}

// slowURL is where a slow peer connects: a channel of Godwit's tells it of gaps.
func slowURL(target string) string {
	u, err := url.Parse(target)
	if err != nil || !strings.Contains(u.Path, "/channels/") {
		return target
	}
	q := u.Query()
	q.Set("envelope", "1")
	u.RawQuery = q.Encode()
	return u.String()
}

// openSlow connects the slow peers. Those that cannot be connected have ended.
func (f *fanout) openSlow(ctx context.Context, d *dialer) {
	slow := *d
	slow.url = slowURL(d.url)
	for i := range f.o.Fanout.Slow {
		p := &slowPeer{fanout: f}
		f.slow = append(f.slow, p)
		c, err := slow.dial(ctx, f.o.Connections+1+i)
		if err != nil {
			p.gone.Store(true)
			continue
		}
		p.conn = c.conn
		p.setBuffer(slowBufferBytes)
		f.work.Go(p.loop)
	}
}

// setBuffer sets the receive buffer, if there is a network.
func (p *slowPeer) setBuffer(bytes int) {
	if p.conn == nil {
		return
	}
	if tcp, ok := p.conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(bytes)
	}
}

// loop reads, and waits as long as each message is to take, until f.hurry is closed.
func (p *slowPeer) loop() {
	defer p.gone.Store(true)
	for _, text := range p.fanout.o.Fanout.Subscribe {
		if p.conn.Write(context.Background(), ws.MessageText, []byte(text)) != nil {
			return
		}
	}
	var buffer []byte
	for {
		_, message, err := p.conn.ReadAppend(context.Background(), buffer[:0])
		if err != nil {
			return
		}
		buffer = message
		p.take(message)
		wait := time.NewTimer(time.Duration(len(message)) * time.Second / time.Duration(p.fanout.o.Fanout.SlowBytes))
		select {
		case <-wait.C:
		case <-p.fanout.hurry:
			wait.Stop()
		}
	}
}

// take notes what a message has.
func (p *slowPeer) take(message []byte) {
	var gap struct {
		Gap struct {
			Count int64 `json:"count"`
		} `json:"gap"`
	}
	if json.Unmarshal(message, &gap) == nil {
		p.leftOut.Add(gap.Gap.Count)
	}
	for rest := message; ; {
		from, number, after, found, ok := p.fanout.payloads.find(rest)
		if !found {
			return
		}
		if ok && from == p.fanout.sender(0) {
			p.received.Add(1)
			p.next.Store(number + 1)
		}
		rest = after
	}
}

// drainSlow has the slow peers read all that waits, until they have the last publication,
// and accounts for them.
func (f *fanout) drainSlow(ctx context.Context) {
	if len(f.slow) == 0 {
		return
	}
	for _, p := range f.slow {
		p.setBuffer(hurryBufferBytes)
	}
	close(f.hurry)
	has := func(p *slowPeer) bool { return p.next.Load() >= f.published[0].Load() }
	var clock alarm
	for waited := time.Duration(0); waited < f.o.Drain; waited += tickMin / 10 {
		missing := 0
		for _, p := range f.slow {
			if !has(p) && !p.gone.Load() {
				missing++
			}
		}
		if missing == 0 || !clock.wait(ctx, tickMin/10) {
			break
		}
	}
	total := &SlowPeers{Peers: len(f.slow), BytesPerSecond: f.o.Fanout.SlowBytes}
	for _, p := range f.slow {
		total.Received += p.received.Load()
		total.LeftOut += p.leftOut.Load()
		if has(p) {
			total.Newest++
		}
		if p.gone.Load() {
			total.Ended++
		}
	}
	f.report.Slow = total
}
