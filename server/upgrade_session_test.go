//go:build linux

package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// sessionClient is a client of /connect that publishes one number after another in a
// channel, receives them, and comes back with its session whenever its connection ends.
type sessionClient struct {
	url, channel    string
	session, secret string
	id              uint64 // of the newest command
	pending         uint64 // ID of the publication that waits for its reply; 0 for none
	published       int    // how many have a reply
	received        int
	position        string // of the newest that it has received
	resumed         int    // how often it came back
	cutAfter        func(published int) bool
}

// sessionObject is what a test looks at of what the server sends.
type sessionObject struct {
	ID   uint64
	Data string
	OK   *struct {
		Session, Secret, Position string
		Resumed                   bool
	}
	Error    json.RawMessage
	Gap      json.RawMessage
	End      json.RawMessage
	Position string
}

// run goes on until it has published and received so many.
func (c *sessionClient) run(ctx context.Context, total int) error {
	for c.received < total || c.published < total {
		if err := c.visit(ctx, total); err != nil {
			return fmt.Errorf("after %d published, %d received, %d times resumed: %w", c.published, c.received, c.resumed, err)
		}
	}
	return nil
}

// visit is one connection.
func (c *sessionClient) visit(ctx context.Context, total int) error {
	conn, _, err := ws.Dial(ctx, c.url+"/connect", nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	say := func(format string, a ...any) error {
		err := conn.Write(ctx, ws.MessageText, fmt.Appendf(nil, format, a...))
		if err != nil && ctx.Err() == nil {
			return nil // Read says how it has ended
		}
		return err
	}
	publish := func() error {
		if c.pending == 0 {
			if c.published == total {
				return nil
			}
			c.id++
			c.pending = c.id
		}
		return say(`{"id":%d,"publish":{"channel":%q,"data":"%d"}}`, c.pending, c.channel, c.published)
	}
	resume, since := "{}", `,"last":1000`
	if c.session != "" {
		resume = fmt.Sprintf(`{"resume":{"session":%q,"secret":%q}}`, c.session, c.secret)
	}
	if c.position != "" {
		since = fmt.Sprintf(`,"since":%q`, c.position)
	}
	connect := c.id + 1
	c.id += 2
	if err := say("{\"id\":%d,\"connect\":%s}\n{\"id\":%d,\"subscribe\":{\"channel\":%q%s}}", connect, resume, c.id, c.channel, since); err != nil {
		return err
	}
	if err := publish(); err != nil {
		return err
	}
	for c.received < total || c.published < total {
		_, m, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			return nil // it comes back
		}
		var o sessionObject
		if err := json.Unmarshal(m, &o); err != nil {
			return err
		}
		switch {
		case o.ID == connect && bytes.Contains(o.Error, []byte("shutting-down")): // it comes back, to the other process
			return nil
		case o.Error != nil, o.Gap != nil, o.End != nil && ctx.Err() != nil:
			return fmt.Errorf("%s", m)
		case o.ID == connect:
			if c.session != "" && (!o.OK.Resumed || o.OK.Session != c.session) {
				return fmt.Errorf("the session was not resumed: %s", m)
			}
			if c.session != "" {
				c.resumed++
			}
			c.session, c.secret = o.OK.Session, o.OK.Secret
		case o.ID != 0 && o.ID == c.pending:
			c.pending = 0
			c.published++
			if err := publish(); err != nil {
				return err
			}
			if c.cutAfter(c.published) {
				return nil // without a reply to what was just published
			}
		case o.Data != "":
			if o.Data != strconv.Itoa(c.received) {
				return fmt.Errorf("%s came, want %d", m, c.received)
			}
			c.received++
			c.position = o.Position
		}
	}
	return nil
}

// Sessions go on in the process that takes over, whether they are told to come back or have
// lost their connection: what their clients publish is published once, and received once.
func TestHandOverSessions(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		const clients, total = 6, 80
		c := Config{Driver: driver, DrainTimeout: 4 * time.Second}
		old := start(t, c)
		c.Listen = old.Config().Listen
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		started, pause := make(chan struct{}, clients), make(chan struct{})
		ended := make(chan error, clients)
		all := make([]*sessionClient, clients)
		for i := range clients {
			all[i] = &sessionClient{url: old.url, channel: fmt.Sprint("room/", i)}
			all[i].cutAfter = func(n int) bool {
				if n == total/4 {
					started <- struct{}{}
				}
				switch {
				case i%2 == 0 && n == total/4, n == 3*total/4: // the rest is after the upgrade
					<-pause
				case n > total/4: // while it is under way
					<-time.After(time.Millisecond)
				}
				return i%3 == 0 && n%10 == 5
			}
			go func() { ended <- all[i].run(ctx, total) }()
		}
		for range clients {
			select {
			case <-started:
			case err := <-ended:
				t.Fatal(err)
			}
		}
		next, err := old.succeed(t, c)
		if err != nil {
			t.Fatal(err)
		}
		close(pause)
		for range clients {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		for i, one := range all {
			if i%3 == 0 && one.resumed < 3 {
				t.Errorf("client %d has come back %d times", i, one.resumed)
			}
			if got := next.do(t, "GET", "/channels/"+one.channel+"?last=1000", "").body; countOf(got) != total {
				t.Errorf("client %d: %d publications, want %d", i, countOf(got), total)
			}
		}
		if err := old.stop(); err != nil {
			t.Error(err)
		}
	})
}

// countOf is how many publications a page has.
func countOf(page string) int {
	var p struct{ Publications []json.RawMessage }
	if json.Unmarshal([]byte(page), &p) != nil {
		return -1
	}
	return len(p.Publications)
}
