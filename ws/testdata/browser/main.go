//go:build js

// Command browser is the page's side of the browser tests of package ws: it sets
// the function scenario(name, server, closed), whose promise is fulfilled with
// what went wrong, "" for nothing. browser_test.go is the other side.
package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall/js"
	"time"

	"github.com/godwit-io/godwit/ws"
)

var scenarios = map[string]func(*T){}

func main() {
	js.Global().Set("scenarios", js.FuncOf(func(js.Value, []js.Value) any {
		var names []any
		for name := range scenarios {
			names = append(names, name)
		}
		return names
	}))
	js.Global().Set("scenario", js.FuncOf(func(_ js.Value, args []js.Value) any {
		t := &T{name: args[0].String(), server: args[1].String(), closed: args[2].String()}
		executor := js.FuncOf(func(_ js.Value, settle []js.Value) any {
			go func() { settle[0].Invoke(t.run()) }()
			return nil
		})
		defer executor.Release()
		return js.Global().Get("Promise").New(executor)
	}))
	select {}
}

// T is a scenario that runs.
type T struct {
	name   string
	server string // ws://host:port
	closed string // the URL of a port where nobody listens
	ctx    context.Context
	faults string
	last   int
}

// scenarioTime bounds a scenario. None takes that long unless it fails.
const scenarioTime = time.Minute

type stop struct{}

func (t *T) run() string {
	scenario := scenarios[t.name]
	if scenario == nil {
		return "there is no such scenario"
	}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), scenarioTime)
	defer cancel()
	t.ctx = ctx
	func() {
		defer func() {
			switch r := recover().(type) {
			case nil, stop:
			default:
				t.errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		scenario(t)
	}()
	if t.faults == "" && !t.eventually(func() bool { return runtime.NumGoroutine() <= before }) {
		stacks := make([]byte, 1<<16)
		t.errorf("%d goroutines before and %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	}
	return t.faults
}

func (t *T) errorf(format string, args ...any) { t.faults += fmt.Sprintf(format, args...) + "\n" }

func (t *T) fatalf(format string, args ...any) {
	t.errorf(format, args...)
	panic(stop{})
}

func (t *T) must(err error) {
	if err != nil {
		_, _, line, _ := runtime.Caller(1)
		t.fatalf("line %d: %v", line, err)
	}
}

// eventually waits for a condition that no event announces.
func (t *T) eventually(condition func() bool) bool {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-t.ctx.Done():
			return false
		}
	}
	return true
}

// dial opens a connection to a path of the test's server.
func (t *T) dial(path string, o *ws.DialOptions) *ws.Conn {
	conn, response, err := ws.Dial(t.ctx, t.server+path, o)
	if err != nil {
		t.fatalf("dial %s: %v", path, err)
	}
	if response == nil || response.StatusCode != 101 || response.Body == nil {
		t.errorf("dial %s: the response is %+v", path, response)
	}
	return conn
}

// id is a new name for a connection, by which the server can be asked about it.
func (t *T) id() string {
	t.last++
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(t.name, " ", "-"), t.last)
}

// tell asks the server about the connection id: /seen is how it ended there,
// /listen has it read at last.
func (t *T) tell(path, id string) string {
	conn := t.dial(path+"?id="+id, nil)
	defer conn.CloseNow()
	_, message, err := conn.Read(t.ctx)
	if err != nil {
		t.fatalf("%s of %s: %v", path, id, err)
	}
	return string(message)
}
