package sockjs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/sockjs"
)

func TestServe(t *testing.T) {
	each(t, forms, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		ended := make(chan error, 1)
		p := serve(sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
			defer func() {
				<-ctx.Done() // it ends with the session
				ended <- c.Send(context.Background(), "too late")
			}()
			if c.Session().ID() == "" {
				t.Error("no ID")
			}
			for text, err := range c.Messages(ctx) {
				if err != nil {
					return err
				}
				if text == "bye" {
					c.Close(4000, "bye")
					return nil
				}
				if err := c.Send(ctx, strings.ToUpper(text)); err != nil {
					t.Error(err)
				}
			}
			return nil
		}), nil).peer(form).open()
		p.send(`["a"]`)
		p.expect(`a["A"]`)
		p.send(`["bye"]`)
		p.expect(`c[4000,"bye"]`)
		if err := <-ended; !errors.Is(err, sockjs.ErrClosed) {
			t.Error(err)
		}
	})
}

// What serve returns says how the session ends.
func TestServeReturns(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(ctx context.Context, c *sockjs.Conn) error
		want  string
	}{
		"nil":   {func(context.Context, *sockjs.Conn) error { return nil }, `c[1000,""]`},
		"error": {func(context.Context, *sockjs.Conn) error { return errors.New("wrong") }, `c[1011,""]`},
		"panic": {func(context.Context, *sockjs.Conn) error { panic("wrong") }, `c[1011,""]`},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, []string{"websocket", "xhr"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
				serve(sockjs.Serve(tt.serve), nil).peer(form).open().expect(tt.want)
			})
		})
	}
}

// Messages that have arrived are received after the end, and then its reason is.
func TestRecvAfterTheEnd(t *testing.T) {
	drivers(t, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site) {
		heard, done := make(chan string, 10), make(chan struct{})
		p := serve(sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
			defer close(done)
			<-ctx.Done()
			for text, err := range c.Messages(context.Background()) {
				if err != nil {
					heard <- err.Error()
					return err
				}
				heard <- text
			}
			return nil
		}), nil).peer("websocket").open()
		p.send(`["1","2"]`)
		p.send(`["3"]`)
		if err := p.conn.Close(4005, "enough"); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"1", "2", "3", `sockjs: the client has gone with 4005 "enough"`} {
			if got := <-heard; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		<-done
	})
}

// The end of a context ends a Recv and a Send, and nothing else.
func TestServeContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		s := newStill(t, sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
			defer close(done)
			short, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if _, err := c.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			if text, err := c.Recv(ctx); text != "x" || err != nil {
				t.Error(text, err)
			}
			short, cancel = context.WithTimeout(ctx, time.Second)
			defer cancel()
			var sent int
			for { // nobody polls, so half of the queue is filled
				if err := c.Send(short, "y"); err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					break
				}
				sent++
			}
			if sent != 4 {
				t.Errorf("%d messages", sent)
			}
			return c.Send(ctx, "z") // waits for the poll
		}), &sockjs.Options{QueueMessagesMax: 8})
		s.expect("/0/a/xhr", "o")
		time.Sleep(2 * time.Second)
		s.post("/0/a/xhr_send", `["x"]`)
		time.Sleep(2 * time.Second)
		s.expect("/0/a/xhr", `a["y","y","y","y"]`)
		s.expect("/0/a/xhr", `a["z"]`)
		s.expect("/0/a/xhr", `c[1000,""]`)
		<-done
		_ = s.Close()
	})
}

// A client that sends faster than it is received is read no more, and nothing is lost.
func TestServeIsNotFlooded(t *testing.T) {
	const messages = 3000
	each(t, []string{"websocket", "xhr_streaming"}, func(t *testing.T, serve func(h sockjs.Handler, o *sockjs.Options) *site, form string) {
		begin, done := make(chan struct{}), make(chan struct{})
		p := serve(sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
			defer close(done)
			<-begin
			for i := range messages {
				if text, err := c.Recv(ctx); err != nil || text != fmt.Sprint(i) {
					t.Errorf("%q, %v, want %d", text, err, i)
					return err
				}
			}
			return nil
		}), nil).peer(form).open()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for i := 0; i < messages; i += 10 {
				var batch []string
				for n := i; n < i+10; n++ {
					batch = append(batch, fmt.Sprintf("%q", fmt.Sprint(n)))
				}
				if status := p.send("[" + strings.Join(batch, ",") + "]"); status != 204 {
					t.Errorf("%d", status)
				}
			}
		}()
		if form != "websocket" { // whose network takes all of it
			select {
			case <-sent:
				t.Error("everything was taken")
			case <-time.After(20 * time.Millisecond):
			}
		}
		close(begin)
		<-done
		<-sent
		p.expect(`c[1000,""]`)
	})
}
