package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

const (
	// dialersMax is how many handshakes are under way at once while connections
	// are opened without a ramp, and rampersMax with one, where the ramp says when.
	dialersMax = 64
	rampersMax = 1024

	// descriptorsBeside are those needed beside one for each connection.
	descriptorsBeside = 40

	// portsOfAddress is how many connections one local address is used for: fewer
	// than half of the 28,232 ephemeral ports that Linux has by default. It gives out
	// the even ones first, and when these are taken it looks at each of them before
	// every odd one: then a connection costs the generator milliseconds in the kernel.
	portsOfAddress = 12_000

	// messageBytesBeside is how much longer than its payload a message may be that
	// arrives.
	messageBytesBeside = 1 << 20

	// farewell is how long closing all connections in good order may take.
	farewell = 3 * time.Second
)

// checkDescriptors refuses what would fail in the middle.
func checkDescriptors(connections int) error {
	limit, ok := descriptorsMax()
	if need := connections + descriptorsBeside; ok && need > limit {
		return fmt.Errorf("loadgen: %d connections need %d open files, and %d are allowed: run ulimit -n %d first (as root, if that is refused)", connections, need, limit, need)
	}
	return nil
}

// descriptorsMore are those that a kind needs besides.
func (o *Options) descriptorsMore(kind Kind) int {
	switch {
	case kind != KindSSE && kind != KindPublish:
		return 0
	case o.Ramp > 0:
		return rampersMax + o.Publishing.Publishers
	}
	return dialersMax + o.Publishing.Publishers // a connection has two for a moment, as a loop takes it
}

// opened is an open connection, and what was agreed.
type opened struct {
	conn       *ws.Conn
	compressed bool
}

// dialer opens connections to one URL.
type dialer struct {
	url     string
	options ws.DialOptions
	local   []net.IP
	replace func(ctx context.Context, i int) (opened, error)
}

func newDialer(target string, o *Options) *dialer {
	d := &dialer{url: target, replace: o.dial, local: o.localAddresses(target)}
	d.options = ws.DialOptions{
		Options: ws.Options{
			MessageBytesMax: int64(o.Size) + messageBytesBeside,
			PingInterval:    ws.NoLimit, // the load is the load and nothing else
			CloseTimeout:    time.Second,
			WriteTimeout:    max(o.Drain, ws.DefaultWriteTimeout),
		},
		Header: o.Header, Subprotocols: o.Subprotocols, TLSConfig: o.TLS, HandshakeTimeout: o.HandshakeTimeout,
	}
	if o.Compress {
		d.options.Compression = &deflate.Options{}
	}
	return d
}

// localAddresses are those to connect from, none if the system chooses.
func (o *Options) localAddresses(target string) []net.IP {
	local := o.LocalAddresses
	if len(local) > 0 || o.isVirtual() || o.Connections <= portsOfAddress || runtime.GOOS != "linux" || !isLoopback(target) {
		return local
	}
	// 127.0.0.2 and the following, as 127.0.0.1 has others' connections.
	for i := range o.Connections/portsOfAddress + 2 {
		local = append(local, net.IPv4(127, 0, byte(i/250), byte(i%250+2)))
	}
	return local
}

// addressesOf are the addresses of the host in a URL.
func addressesOf(target string) []net.IP {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	addresses, _ := net.LookupIP(u.Hostname())
	return addresses
}

// isLoopback reports whether target is at 127.0.0.1, by number or by name.
func isLoopback(target string) bool {
	addresses := addressesOf(target)
	return len(addresses) == 1 && addresses[0].To4() != nil && addresses[0].IsLoopback()
}

// isOnThisMachine reports whether target is at an address of this machine.
func isOnThisMachine(target string) bool {
	own, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addressesOf(target), func(ip net.IP) bool {
		return ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
			network, ok := a.(*net.IPNet)
			return ok && network.IP.Equal(ip)
		})
	})
}

// dial opens connection i.
func (d *dialer) dial(ctx context.Context, i int) (opened, error) {
	if d.replace != nil {
		return d.replace(ctx, i)
	}
	o := d.options
	o.NetDial = d.from(i).DialContext
	conn, response, err := ws.Dial(ctx, d.url, &o)
	if err != nil {
		return opened{}, err
	}
	return opened{conn, response.Header.Get("Sec-WebSocket-Extensions") != ""}, nil
}

// from is where connection i comes from.
func (d *dialer) from(i int) *net.Dialer {
	from := &net.Dialer{KeepAlive: -1} // the kernel's probes would be load as well, and are four system calls to set up
	if len(d.local) > 0 {
		from.LocalAddr = &net.TCPAddr{IP: d.local[i%len(d.local)]}
	}
	return from
}

// reset ends a connection at once and leaves nothing of it in this system's
// tables, where thousands of ended connections would use up the ports.
func reset(conn *ws.Conn) {
	if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.CloseNow()
}

// openAll opens the connections, each with a call of open, from many goroutines.
// It returns when all attempts are through or ctx ends.
func (r *run) openAll(ctx context.Context, open func(ctx context.Context, i int) error) {
	began := r.now()
	var dialers sync.WaitGroup
	var attempts atomic.Int64
	done, halfway := make(chan struct{}), make(chan struct{}, 1)
	go func() {
		defer close(done)
		defer dialers.Wait()
		places := make(chan struct{}, dialersMax)
		if r.o.Ramp > 0 {
			places = make(chan struct{}, rampersMax)
		}
		clock := alarm{exact: !r.o.isVirtual()}
		for i := range r.o.Connections {
			var due time.Duration
			if r.o.Ramp > 0 {
				due = began + schedule{r.o.Ramp}.due(int64(i))
				if !clock.wait(ctx, due-r.now()) {
					return
				}
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			dialers.Go(func() {
				defer func() { <-places }()
				defer attempts.Add(1)
				started := r.now()
				if r.o.Ramp > 0 {
					started = due
				}
				if r.openOne(ctx, i, started, open) && r.open.Load() >= int64(r.o.Connections)/2 {
					select {
					case halfway <- struct{}{}:
					default:
					}
				}
			})
		}
	}()
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			r.report.Connections.Seconds = (r.now() - began).Seconds()
			r.report.Connections.Opened = int(r.open.Load())
			r.full = r.peopled(ctx)
			return
		case <-halfway:
			if r.half.open == 0 {
				r.half = r.peopled(ctx)
			}
		case <-ticker.C:
			r.sample(ctx)
			r.progress(Progress{Phase: "opening connections", Done: int(attempts.Load()), Of: r.o.Connections, Elapsed: r.now() - began})
		}
	}
}

// openOne opens one connection, which was started or due at a time, and counts it.
// It reports whether it could.
func (r *run) openOne(ctx context.Context, i int, started time.Duration, open func(ctx context.Context, i int) error) bool {
	if err := open(ctx, i); err != nil {
		if ctx.Err() == nil {
			r.tally.addError("opening", err)
		}
		return false
	}
	r.opening.shard(i).recordLatency(r.now() - started)
	r.open.Add(1)
	return true
}

// dialAll opens the WebSockets and hands each to ready, from many goroutines.
func (r *run) dialAll(ctx context.Context, d *dialer, ready func(i int, conn *ws.Conn)) {
	r.openAll(ctx, func(ctx context.Context, i int) error {
		c, err := d.dial(ctx, i)
		if err == nil {
			ready(i, c.conn)
		}
		return err
	})
}

// try opens one connection to learn whether it can be done, and closes it.
func (r *run) try(ctx context.Context, d *dialer) error {
	c, err := d.dial(ctx, 0)
	if err != nil {
		if errors.Is(err, ws.ErrURL) {
			return fmt.Errorf("%w: %w", ErrOptions, err)
		}
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("loadgen: cannot connect: no answer to the opening handshake within %v (%w)", r.o.HandshakeTimeout, err)
		}
		return fmt.Errorf("loadgen: cannot connect: %w", err)
	}
	r.report.Load.Compressed = c.compressed
	r.report.Load.Subprotocol = c.conn.Subprotocol()
	if r.o.Compress && !c.compressed {
		r.note("The server declined compression, so nothing was compressed.")
	}
	if len(r.o.Subprotocols) > 0 && r.report.Load.Subprotocol == "" {
		r.note("The server chose none of the subprotocols that were offered.")
	}
	_ = c.conn.Close(ws.StatusNormal, "")
	return nil
}

// closeAll closes connections in good order, or at once after a while.
func closeAll(conns []*ws.Conn) {
	queue := make(chan *ws.Conn, len(conns))
	for _, c := range conns {
		if c != nil {
			queue <- c
		}
	}
	close(queue)
	limit := time.AfterFunc(farewell, func() {
		for _, c := range conns {
			if c != nil {
				_ = c.CloseNow()
			}
		}
	})
	var closers sync.WaitGroup
	for range 4 * dialersMax {
		closers.Go(func() {
			for c := range queue {
				_ = c.Close(ws.StatusNormal, "")
			}
		})
	}
	closers.Wait()
	limit.Stop()
}
