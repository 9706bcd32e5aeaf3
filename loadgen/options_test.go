package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Every limit of the options: a value at it passes, a value beyond it is refused
// with a reason.
func TestOptions(t *testing.T) {
	for _, c := range []struct {
		kind   Kind
		url    string
		change func(*Options)
		want   string // "": good
	}{
		{KindEcho, "ws://h/", func(*Options) {}, ""},
		{KindEcho, "https://h:1/", func(*Options) {}, ""},
		{KindEcho, "ftp://h/", func(*Options) {}, "is not a URL to load"},
		{KindEcho, "h:80", func(*Options) {}, "is not a URL to load"},
		{KindEcho, "ws://h/#x", func(*Options) {}, "is not a URL to load"},
		{KindEcho, "ws://%", func(*Options) {}, "is not a URL to load"},
		{KindEcho, "ws://h/", func(o *Options) { o.Connections = ConnectionsMax }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Connections = ConnectionsMax + 1 }, "connections: there must be"},
		{KindEcho, "ws://h/", func(o *Options) { o.Connections = -1 }, "option Connections: -1 is negative"},
		{KindEcho, "ws://h/", func(o *Options) { o.Size = SizeMax }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Size = SizeMax + 1 }, "a size of"},
		{KindFanout, "ws://h/", func(o *Options) { o.Size = fanoutSizeMin }, ""},
		{KindFanout, "ws://h/", func(o *Options) { o.Size = fanoutSizeMin - 1 }, "to be recognised"},
		{KindEcho, "ws://h/", func(o *Options) { o.Window = WindowMax }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Window = WindowMax + 1 }, "a window of"},
		{KindEcho, "ws://h/", func(o *Options) { o.Rate = rateMax }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Rate = rateMax + 1 }, "a rate of"},
		{KindEcho, "ws://h/", func(o *Options) { o.Rate = -1 }, "option Rate: -1 is negative"},
		{KindEcho, "ws://h/", func(o *Options) { o.Ramp = rateMax + 1 }, "a ramp of"},
		{KindEcho, "ws://h/", func(o *Options) { o.Duration = tickMin }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Duration = tickMin - 1 }, "a duration of"},
		{KindEcho, "ws://h/", func(o *Options) { o.Drain = -1 }, "option Drain: -1ns is negative"},
		{KindStorm, "ws://h/", func(o *Options) { o.Storm.Spread = -1 }, "option Storm.Spread: -1ns is negative"},
		{KindStorm, "ws://h/", func(o *Options) { o.Storm.Rounds = -1 }, "option Storm.Rounds: -1 is negative"},
		{KindEcho, "ws://h/", func(o *Options) { o.PIDs, o.Metrics = []int{1}, "http://h/" }, "exclude each other"},
		{KindEcho, "ws://h/", func(o *Options) { o.Metrics = "https://h/m" }, ""},
		{KindEcho, "ws://h/", func(o *Options) { o.Metrics = "h:80" }, `"h:80" is not the URL of metrics`},
		{KindEcho, "ws://joe:secret@h:x/", func(*Options) {}, `"ws://..." is not a URL to load`},
		{KindSSE, "ws://joe:secret@h/?token=secret", func(*Options) {}, `"ws://joe:...@h/?token=..." is the URL of a WebSocket`},
		{KindFanout, "ws://h/", func(o *Options) { o.Fanout.Publish = "x{payload}y" }, ""},
		{KindFanout, "ws://h/", func(o *Options) { o.Fanout.Publish = "x" }, "it must have {payload} once"},
		{KindFanout, "ws://h/", func(o *Options) { o.Fanout.Publish = "{payload}{payload}" }, "it must have {payload} once"},
	} {
		var o Options
		c.change(&o)
		_, err := o.withDefaults(c.kind, c.url)
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s %+v: %v, want %q", c.kind, c.url, o, err, c.want)
		}
	}
	o, err := Options{}.withDefaults(KindStorm, "ws://h/")
	if err != nil || o.Duration != time.Minute || o.Storm.Rounds != DefaultRounds || o.Warmup != 0 || o.Connections != DefaultConnections {
		t.Errorf("%+v, %v", o, err)
	}
	if o, _ = (Options{Warmup: NoWarmup}).withDefaults(KindEcho, "ws://h/"); o.Warmup != 0 || o.Drain != DefaultDrain || o.Window != 1 {
		t.Errorf("%+v", o)
	}
}

// More connections than this process may have are refused at once, with what to do.
func TestDescriptors(t *testing.T) {
	limit, ok := descriptorsMax()
	if !ok {
		t.Skip("this system does not say how many files may be open")
	}
	if err := checkDescriptors(limit - descriptorsBeside); err != nil {
		t.Errorf("as many as are allowed: %v", err)
	}
	want := fmt.Sprintf("loadgen: %d connections need %d open files, and %d are allowed: run ulimit -n %d first", limit, limit+descriptorsBeside, limit, limit+descriptorsBeside)
	if err := checkDescriptors(limit); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if limit < ConnectionsMax {
		if _, err := Echo(t.Context(), "ws://127.0.0.1:1/", Options{Connections: limit}); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
			t.Errorf("%v", err)
		}
	}
}

func TestKindOf(t *testing.T) {
	for want, err := range map[string]error{
		"the server answered 503":                        fmt.Errorf("x: %w", &handshake.ResponseError{Status: 503}),
		"the server's handshake is wrong":                &handshake.ResponseError{Status: 101},
		"closed by the server with 1013 try again later": &ws.CloseError{Code: ws.StatusTryAgainLater},
		"connection refused":                             &net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"connection reset":                               &ws.CloseError{Err: syscall.ECONNRESET},
		"out of file descriptors here":                   syscall.EMFILE,
		"out of local ports":                             syscall.EADDRNOTAVAIL,
		"timed out":                                      context.DeadlineExceeded,
		"the server does not read":                       &ws.CloseError{Err: ws.ErrWriteTimeout},
		"ended without a close frame":                    &ws.CloseError{Err: io.ErrUnexpectedEOF},
		"the server broke the protocol":                  &ws.CloseError{Err: errors.New("reserved bit"), Sent: 1002},
		"other":                                          errors.New("x"),
	} {
		if got := kindOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// A server that finds ever new ways to fail fills no memory.
func TestTallyLimits(t *testing.T) {
	var counts tally
	for i := range 3 * kindsMax {
		counts.add(fmt.Sprint("kind ", i), strings.Repeat("x", 10*exampleBytesMax))
	}
	list := counts.errors()
	if len(list) != kindsMax+1 || list[0].Kind != "other" || list[0].Count != 2*kindsMax || len(list[1].Example) != exampleBytesMax || counts.count() != 3*kindsMax {
		t.Errorf("%d kinds, the first %d times %q", len(list), list[0].Count, list[0].Kind)
	}
	counts.addMany("none", "", 0)
	if len(counts.errors()) != kindsMax+1 {
		t.Error("nothing was counted as something")
	}
}

// Without a network, a local address decides where a connection comes from.
func TestLocalAddresses(t *testing.T) {
	from := make(chan string, 10)
	url := server(t, func(_ int, conn *ws.Conn) {
		host, _, _ := net.SplitHostPort(conn.NetConn().RemoteAddr().String())
		from <- host
		_, _, _ = conn.Read(context.Background())
	})
	o := Options{Connections: 2, Duration: tickMin, LocalAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	if _, err := Connections(t.Context(), url, o); err != nil {
		t.Fatal(err)
	}
	if got := <-from; got != "127.0.0.1" {
		t.Errorf("it came from %s", got)
	}
	o.LocalAddresses = []net.IP{net.IPv4(192, 0, 2, 1)}
	if _, err := Connections(t.Context(), url, o); err == nil || !strings.Contains(err.Error(), "cannot connect: ") {
		t.Errorf("from an address of somebody else: %v", err)
	}
}

// One address has ports for a run of ordinary size. More connections come from
// several, which a server at 127.0.0.1 sees.
func TestAddressesOfManyConnections(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	from := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		from <- host
		if conn, err := ws.Accept(w, r, nil); err == nil {
			_ = conn.CloseNow()
		}
	}))
	defer s.Close()
	for connections, want := range map[int][]string{portsOfAddress: {"127.0.0.1", "127.0.0.1"}, 2*portsOfAddress + 1: {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.2"}} {
		d := newDialer(s.URL, &Options{Connections: connections, HandshakeTimeout: time.Minute})
		for i, address := range want {
			c, err := d.dial(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.conn.CloseNow()
			if got := <-from; got != address {
				t.Errorf("of %d, connection %d comes from %s, want %s", connections, i, got, address)
			}
		}
	}
}
