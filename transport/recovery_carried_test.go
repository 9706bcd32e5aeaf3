package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// TestRecoveryOnCarriers has the clients of TestRecovery take some thousand steps with
// a server that they reach over every real carrier.
func TestRecoveryOnCarriers(t *testing.T) {
	t.Parallel() // what was sent is waited for at every step
	seed := *recoverySeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	steps := 4000
	if testing.Short() {
		steps = 400
	}
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T) { recoverOn(t, &c, seed, steps) }
			if c.isVirtual {
				synctest.Test(t, run)
				return
			}
			run(t)
		})
	}
}

func recoverOn(t *testing.T, c *carrier, seed uint64, steps int) {
	r := &recoveryRun{
		dice: dice(seed), names: []string{"a", "b", "c"}, truths: make(map[string]*truth), copies: make(map[string]int),
		retention: hub.Retention{Count: 20, Age: time.Minute, KeyAge: time.Hour},
	}
	var told []string
	r.tell = func(line string) { told = append(told, line) }
	r.broker = &truthBroker{Broker: newBroker(), r: r}
	r.guard = &lateGuard{r: r}
	r.hub = newHub(t, r.broker, &hub.Options{Retention: r.retention, QueueCountMax: 10})
	v := c.serve(t, r.hub, Options{Logger: quiet()})
	r.transport = v.transport
	r.carried = &carriedRecovery{t: t, venue: v, hasSockets: c.name != "HTTP2", news: make(chan struct{}, 1)}
	for i := range 3 {
		r.clients = append(r.clients, newModelClient(r, i))
	}
	for n := 0; n < steps && r.fault == ""; n++ {
		r.carriedStep()
		if n%500 == 499 {
			r.carriedSettle()
		}
	}
	r.carriedSettle()
	r.checkTwice()
	for _, client := range r.clients {
		client.abandon()
	}
	r.carried.reading.Wait()
	v.client.CloseIdleConnections()
	_ = r.hub.Shutdown(t.Context())
	v.close()
	if r.fault != "" {
		t.Errorf("-recovery-seed=%d\n%s\n%s", seed, strings.Join(told[max(0, len(told)-300):], "\n"), r.fault)
	}
	t.Logf("-recovery-seed=%d: heard %+v", seed, r.heard)
}

func (r *recoveryRun) kindOfCarried() wireKind {
	kind := wireKind(r.roll(int(wireKinds)))
	if kind == wireSocket && !r.carried.hasSockets {
		kind = wirePoll
	}
	return kind
}

func (r *recoveryRun) carriedStep() {
	c := r.clients[r.roll(len(r.clients))]
	switch r.roll(20) {
	case 0, 1, 2, 3:
		r.publish(r.names[r.roll(len(r.names))])
	case 4, 5, 6:
		c.ask()
	case 7, 8, 9:
		c.send()
	case 10, 11, 12, 13:
		c.turn()
		c.receive(1 << 30)
	case 14:
		c.turn()
		c.receive(r.roll(400))
	case 15, 16:
		c.poll()
	case 17:
		if c.wire != nil && r.isOne(3) {
			c.lose(c.wire)
		}
	case 18:
		if !c.isUp() || r.isOne(10) {
			c.reconnect(r.kindOfCarried())
		}
	case 19:
		r.carried.wait(time.Millisecond) // for something to come
	}
}

// carriedSettle waits until everybody has everything.
func (r *recoveryRun) carriedSettle() {
	r.notef("everything comes to rest")
	expires := time.Now().Add(patience)
	for r.fault == "" {
		any := false
		for _, c := range r.clients {
			if !c.isUp() {
				c.reconnect(r.kindOfCarried())
				any = true
			}
			for c.send() {
				any = true
			}
			any = c.turn() || any
			any = c.receive(1<<30) || any
			any = c.poll() || any
		}
		if any {
			continue
		}
		before := r.fault
		for _, c := range r.clients {
			c.checkRest()
		}
		if r.fault == before || time.Now().After(expires) {
			return
		}
		r.fault = before
		r.carried.wait(patience)
	}
}

// carriedRecovery are connections of modelClients to a server.
type carriedRecovery struct {
	t          *testing.T
	venue      *venue
	hasSockets bool
	news       chan struct{} // something has come
	reading    sync.WaitGroup
}

func (x *carriedRecovery) wait(d time.Duration) {
	timeout := time.NewTimer(d)
	defer timeout.Stop()
	select {
	case <-x.news:
	case <-timeout.C:
	}
}

// carriedWire is what a goroutine reads for a modelWire.
type carriedWire struct {
	x      *carriedRecovery
	ctx    context.Context
	cancel context.CancelFunc
	conn   *ws.Conn // nil for a response

	mu        sync.Mutex // guards what follows
	down      []byte
	isRefused bool
	isEnded   bool
}

func (x *carriedRecovery) start(w *modelWire) *carriedWire {
	k := &carriedWire{x: x}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	w.carried = k
	w.client.wires = append(w.client.wires, w)
	return k
}

func (x *carriedRecovery) open(w *modelWire, commands []byte) {
	k := x.start(w)
	if w.kind != wireSocket {
		k.request(w.kind, http.MethodPost, "", string(commands))
		return
	}
	conn, _, err := dialAs(x.t, x.venue, ConnectPath, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	k.conn = conn
	k.say(commands)
	x.reading.Go(func() {
		for {
			_, data, err := conn.Read(k.ctx)
			if err != nil {
				k.came(nil, true)
				return
			}
			k.came(frameOf(data), false)
		}
	})
}

// frameOf is a message as nextFrame reads it.
func frameOf(data []byte) []byte {
	n := len(data)
	return append([]byte{0x81, 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, data...)
}

func (x *carriedRecovery) goOn(w *modelWire, id, secret string, ack uint64) {
	x.start(w).request(w.kind, http.MethodGet, fmt.Sprintf("?session=%s.%s&ack=%d", id, secret, ack), "")
}

func (k *carriedWire) request(kind wireKind, method, query, body string) {
	r, err := http.NewRequestWithContext(k.ctx, method, k.x.venue.url+ConnectPath+query, strings.NewReader(body))
	if err != nil {
		k.x.t.Fatal(err)
	}
	r.Header.Set("Accept", [...]string{wireEvents: "text/event-stream", wireLines: "application/x-ndjson", wirePoll: "application/json"}[kind])
	r.Header.Set("Prefer", "wait=5")
	k.x.reading.Go(func() {
		response, err := k.x.venue.client.Do(r)
		if err != nil {
			k.came(nil, true)
			return
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			k.mu.Lock()
			k.isRefused = true
			k.mu.Unlock()
			_, _ = io.Copy(io.Discard, response.Body)
			k.came(nil, true)
			return
		}
		buffer := make([]byte, 512)
		for {
			n, err := response.Body.Read(buffer)
			k.came(buffer[:n], err != nil)
			if err != nil {
				return
			}
		}
	})
}

// came keeps what has come until the client looks.
func (k *carriedWire) came(data []byte, isEnded bool) {
	k.mu.Lock()
	k.down = append(k.down, data...)
	k.isEnded = k.isEnded || isEnded
	k.mu.Unlock()
	select {
	case k.x.news <- struct{}{}:
	default:
	}
}

// take gives a modelWire what has come.
func (k *carriedWire) take(w *modelWire) (any bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	any = len(k.down) > 0 || k.isEnded && !w.isEnded
	if len(k.down) > 0 {
		w.wroteAt = time.Now()
	}
	w.down = append(w.down, k.down...)
	w.isEnded, w.isRefused = k.isEnded, k.isRefused
	k.down = nil
	return any
}

func (k *carriedWire) say(message []byte) {
	err := k.conn.Write(k.ctx, ws.MessageText, message)
	if closed := (*ws.CloseError)(nil); err != nil && !errors.As(err, &closed) && k.ctx.Err() == nil {
		k.x.t.Logf("%s is not sent: %v", message, err)
	}
}

func (k *carriedWire) close() {
	k.cancel()
	if k.conn != nil {
		_ = k.conn.CloseNow()
	}
}

func (k *carriedWire) goodbye() { _ = k.conn.Close(ws.StatusNormal, "") }

// post hands commands to a session. It reports whether that was there.
func (x *carriedRecovery) post(id, secret string, commands []byte) bool {
	r, err := http.NewRequestWithContext(x.t.Context(), http.MethodPost, x.venue.url+ConnectPath, strings.NewReader(string(commands)))
	if err != nil {
		x.t.Fatal(err)
	}
	r.Header.Set(headerSession, id+"."+secret)
	response, err := x.venue.client.Do(r)
	if err != nil {
		x.t.Error(err)
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusAccepted
}
