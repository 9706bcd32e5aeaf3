// Package seats is the back end of the example "seat map": it lends seats for a while, each
// to one person.
package seats

import (
	"context"
	"embed"
	"fmt"
	"regexp"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html seats.go screenshot.webp
var Files embed.FS

const (
	prefix = "examples/seats/"
	held   = time.Minute // before a seat that was not paid for is free again
)

var seat = regexp.MustCompile(`^[A-H](1[0-2]|[1-9])$`)

// wish is a call that waits for its answer.
type wish struct {
	seat    string
	session string
	answer  chan error
}

// Run lends seats until ctx ends. One goroutine decides everything, so two who want the
// same seat at the same moment are answered one after the other.
func Run(ctx context.Context, c *client.Client) error {
	wishes := make(chan wish)
	handler, err := c.Handle(ctx, "examples/seats/take", func(ctx context.Context, call client.Call) (client.Data, error) {
		w := wish{seat: string(call.Data.Bytes), session: call.Session, answer: make(chan error, 1)}
		if !seat.MatchString(w.seat) {
			return client.Data{}, &client.Problem{Type: "https://example.com/problems/no-seat", Title: "No such seat", Detail: "seats are A1 to H12"}
		}
		select {
		case wishes <- w:
		case <-ctx.Done():
			return client.Data{}, context.Cause(ctx)
		}
		select {
		case err := <-w.answer:
			return client.Data{}, err
		case <-ctx.Done(): // it may be taken all the same; the map says so
			return client.Data{}, context.Cause(ctx)
		}
	}, nil)
	if err != nil {
		return err
	}
	taken := map[string]string{} // the session that has each
	expired := make(chan string)
	for {
		var name, state string
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-handler.Done():
			return handler.Err()
		case name = <-expired:
			delete(taken, name)
			state = "free"
		case w := <-wishes:
			if by, isTaken := taken[w.seat]; isTaken && by != w.session {
				w.answer <- &client.Problem{Type: "https://example.com/problems/taken", Title: "Too late", Detail: fmt.Sprintf("somebody else has %s", w.seat)}
				continue
			} else if isTaken {
				w.answer <- nil
				continue
			}
			taken[w.seat] = w.session
			time.AfterFunc(held, func() {
				select {
				case expired <- w.seat:
				case <-ctx.Done():
				}
			})
			name, state = w.seat, "taken"
			w.answer <- nil
		}
		// A seat is a channel, whose newest publication says whether it is free.
		if _, err := c.Publish(ctx, prefix+name, client.Text(state), nil); err != nil {
			return err
		}
	}
}
