package chromiumtest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Message is a line that developers see in the console of a page.
type Message struct {
	Source Source
	// IsError is whether it is shown in red: an exception is, and so are console.error and what
	// the browser calls an error.
	IsError bool
	Text    string
}

// Source is where a Message comes from.
type Source int

// The sources of messages.
const (
	Exception Source = iota // an exception that nothing caught
	Script                  // a call such as console.log
	Network                 // the browser, about a request or a connection
	Browser                 // the browser, about anything else
)

// String is for test failures.
func (s Source) String() string {
	return [...]string{"exception", "script", "network", "browser"}[s]
}

// String is for test failures.
func (m Message) String() string { return fmt.Sprintf("%v: %s", m.Source, m.Text) }

// Console is what was said in the console of a page.
type Console struct {
	mu       sync.Mutex
	messages []Message // guarded by mu
}

// Listen notes the messages in the console of a window from now on. It opens the window if
// that is not open.
func Listen(t testing.TB, window context.Context) *Console {
	t.Helper()
	c := &Console{}
	if err := chromedp.Listen(window, c.hear); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return c
}

// Messages returns what was said so far. What a page says arrives in order with the answers
// to what it is told, so what was said before an answer is there.
func (c *Console) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// hear is called on the goroutine that reads the browser's messages.
func (c *Console) hear(event any) {
	var m Message
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		m = Message{Exception, true, e.ExceptionDetails.Text}
		if x := e.ExceptionDetails.Exception; x != nil {
			m.Text += " " + x.Description
		}
	case *runtime.EventConsoleAPICalled:
		var args []string
		for _, arg := range e.Args {
			args = append(args, text(arg))
		}
		m = Message{Script, e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert, strings.Join(args, " ")}
	case *log.EventEntryAdded:
		m = Message{Browser, e.Entry.Level == log.EntryLevelError, strings.TrimSpace(e.Entry.Text + " " + e.Entry.URL)}
		if e.Entry.Source == log.EntrySourceNetwork {
			m.Source = Network
		}
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = append(c.messages, m)
}

// text is a value as the console shows it.
func text(value *runtime.RemoteObject) string {
	switch {
	case value.Type == runtime.RemoteObjectTypeString:
		var s string
		if json.Unmarshal(value.Value, &s) == nil {
			return s
		}
		return value.Description
	case len(value.Value) > 0:
		return string(value.Value)
	case value.Description != "":
		return value.Description
	default:
		return string(value.Type)
	}
}
