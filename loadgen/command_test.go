package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// listenVariable makes this program a server that listens at an address.
const listenVariable = "GODWIT_TEST_LISTEN"

// listenAsServer serves and never returns.
func listenAsServer(address string) {
	if address == "nowhere" {
		fmt.Fprintln(os.Stderr, "cannot listen nowhere")
		os.Exit(3)
	}
	_ = http.ListenAndServe(address, http.NotFoundHandler())
	os.Exit(1)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func commandOf(t *testing.T, address, listens string) *command {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there is no sh")
	}
	t.Setenv(listenVariable, listens)
	return &command{line: "'" + os.Args[0] + "' -test.run '^$'", address: address, timeout: 30 * time.Second}
}

// A started server listens, a killed one does not, and it can be started
// again.
func TestCommand(t *testing.T) {
	address := freeAddress(t)
	c := commandOf(t, address, address)
	defer c.kill()
	for range 2 {
		if err := c.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		response, err := http.Get("http://" + address)
		if err != nil || response.StatusCode != http.StatusNotFound {
			t.Fatal(response, err)
		}
		response.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := (&command{line: "true", address: address, timeout: time.Second}).start(t.Context()); !errors.Is(err, ErrOptions) {
			t.Errorf("a second one at the same address: %v", err)
		}
		c.kill()
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			t.Error("it listens although it was killed")
		}
	}
	c.kill() // once more does nothing
}

func TestCommandThatEnds(t *testing.T) {
	c := commandOf(t, freeAddress(t), "nowhere")
	err := c.start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the server has ended at once (exit status 3): cannot listen nowhere") {
		t.Error(err)
	}
}

func TestCommandThatDoesNotListen(t *testing.T) {
	c := commandOf(t, freeAddress(t), freeAddress(t))
	c.timeout = 300 * time.Millisecond
	if err := c.start(t.Context()); err == nil || !strings.Contains(err.Error(), "does not listen at") || !strings.Contains(err.Error(), "it has said nothing") {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.timeout = time.Minute
	if err := c.start(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	var said tail
	for i := range 1000 {
		fmt.Fprintf(&said, "line %d\n\x1b", i)
	}
	if got := said.String(); !strings.HasSuffix(got, "line 999 \x1b") && !strings.HasSuffix(got, "line 999") || len(got) > exampleBytesMax {
		t.Errorf("%q", got)
	}
}

// The CPU of a server that was killed counts with that of the next one.
func TestWatchedServers(t *testing.T) {
	uses := []reading{{cpu: 3 * time.Second, resident: 100}, {cpu: time.Second, resident: 50}}
	alive := true
	w := &watched{find: func() (*observer, error) {
		if len(uses) == 0 {
			return nil, errors.New("nobody listens")
		}
		use := uses[0]
		uses = uses[1:]
		return &observer{read: func(context.Context) (reading, error) {
			if !alive {
				return reading{}, errors.New("no such process")
			}
			return use, nil
		}}, nil
	}}
	expect := func(when string, want reading) {
		t.Helper()
		if got, err := w.read(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", when, got, err, want)
		}
	}
	if !w.look() {
		t.Fatal("the first is not seen")
	}
	expect("the first", reading{3 * time.Second, 100})
	alive = false
	expect("killed", reading{3 * time.Second, 0})
	alive = true
	if !w.look() {
		t.Fatal("the second is not seen")
	}
	expect("the second", reading{4 * time.Second, 50})
	if w.look() {
		t.Error("a third is seen")
	}
	expect("nobody", reading{4 * time.Second, 0})
}
