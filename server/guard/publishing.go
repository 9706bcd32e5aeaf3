package guard

import (
	"context"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
)

// Publishing returns what decides about publications of id that come in the request r,
// beside channels: by what holds for those that go to a channel, with rates and the
// application, which may change the message. What it returns waits for the decision, or
// until ctx ends; it is for one goroutine at a time. The error is that of ctx or an
// *access.Refusal.
func (g *Guard) Publishing(r *transport.Request, id *access.Identity) func(context.Context, *hub.Message) error {
	c := &transport.Client{Identity: id, Address: g.o.Address(r).Unmap().WithZone("")}
	c.State = &state{isLocal: isLocal(c.Address), fields: pick(r, g.settings.Load().Forward)}
	answers := make(chan error, 1)
	later := func(err error) { answers <- err }
	return func(ctx context.Context, m *hub.Message) error {
		if err := ctx.Err(); err != nil {
			return err // and there may be an answer that nobody has waited for
		}
		decided, err := g.Authorize(c, &transport.Act{Action: access.Publish, Channel: m.Channel, Message: m}, later)
		if decided {
			return err
		}
		select {
		case err := <-answers:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
