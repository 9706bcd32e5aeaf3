package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// result is what was measured.
type result struct {
	Messages float64 // that clients got
	Seconds  float64
	CPU      float64 // seconds of the server
}

// warmUp is how long a server is loaded before it is measured.
const warmUp = time.Second

// load is what the generator does. Its goroutines read; each message that one gets has it
// send another, so that the window stays full.
type load struct {
	experiment
	got      atomic.Int64
	stopping atomic.Bool
	event    []byte
}

// loadChild is what a child does that is the generator.
func loadChild(arguments string) error {
	var l load
	var addr string
	var pid int
	var seconds float64
	if _, err := fmt.Sscan(arguments, &addr, &pid, &l.kind, &l.clients, &l.window, &seconds); err != nil {
		return err
	}
	// One more than there are processors: what measures must not wait behind what reads, or it
	// counts a longer time of the server than of the messages.
	runtime.GOMAXPROCS(2)
	l.event = []byte(`42["` + l.kind + `","` + strings.Repeat("x", 50) + `"]`)
	ctx := context.Background()
	conns := make([]*ws.Conn, l.clients)
	for i := range conns {
		var err error
		if conns[i], err = join(ctx, addr); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	for i, c := range conns {
		speaks := l.kind == "echo" || i == 0
		wg.Go(func() { l.readLoop(ctx, c, speaks) })
		for range l.window {
			if speaks {
				if err := c.Write(ctx, ws.MessageText, l.event); err != nil {
					return err
				}
			}
		}
	}
	<-time.After(warmUp)
	r, err := l.measure(pid, time.Duration(seconds*float64(time.Second)))
	l.stopping.Store(true)
	for _, c := range conns {
		c.CloseNow()
	}
	wg.Wait()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (l *load) measure(pid int, d time.Duration) (r result, err error) {
	got, begin := l.got.Load(), time.Now()
	used, err := processorTime(pid)
	if err != nil {
		return r, err
	}
	<-time.After(d)
	r.Messages, r.Seconds = float64(l.got.Load()-got), time.Since(begin).Seconds()
	r.CPU, err = processorTime(pid)
	r.CPU -= used
	if r.Messages == 0 {
		return r, fmt.Errorf("nothing arrives")
	}
	return r, err
}

// readLoop counts the messages of a connection.
func (l *load) readLoop(ctx context.Context, c *ws.Conn, speaks bool) {
	var buffer []byte
	for {
		_, message, err := c.ReadAppend(ctx, buffer[:0])
		if err != nil {
			return
		}
		buffer = message
		answer := l.event
		switch {
		case string(message) == "2":
			answer = []byte("3") // a ping
		case l.stopping.Load():
			continue
		default:
			l.got.Add(1)
			if !speaks {
				continue
			}
		}
		if c.Write(ctx, ws.MessageText, answer) != nil {
			return
		}
	}
}

// join returns a connection that is in the namespace "/".
func join(ctx context.Context, addr string) (*ws.Conn, error) {
	c, _, err := ws.Dial(ctx, "ws://"+addr+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		return nil, err
	}
	if err := c.Write(ctx, ws.MessageText, []byte("40")); err != nil {
		return nil, err
	}
	for {
		_, message, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(string(message), "40") {
			return c, nil
		}
	}
}
