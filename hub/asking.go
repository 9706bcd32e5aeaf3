package hub

import (
	"context"
	"fmt"
	"runtime/debug"
)

// When the Broker panics, the hub's request fails as if the Broker had said so: in a
// goroutine of the hub's own no other code could recover, and a channel
// that is being asked for belongs to all its subscribers.

func (h *Hub) askListen(ctx context.Context, channel string) (top Position, err error) {
	defer h.countFailure(&err)
	defer h.recoverAs(&err, "Listen", channel)
	if IsPattern(channel) {
		return Position{}, h.patterns.broker.ListenPattern(ctx, channel)
	}
	return h.broker.Listen(ctx, channel)
}

func (h *Hub) askMute(ctx context.Context, channel string) (err error) {
	defer h.recoverAs(&err, "Mute", channel)
	if IsPattern(channel) {
		return h.patterns.broker.MutePattern(ctx, channel)
	}
	return h.broker.Mute(ctx, channel)
}

// askHistory leaves a panic of an immediate Broker to its caller, whose page it was.
func (h *Hub) askHistory(ctx context.Context, channel string, q Query) (page Page, err error) {
	defer h.countFailure(&err)
	if !h.immediate() {
		defer h.recoverAs(&err, "History", channel)
	}
	return h.broker.History(ctx, channel, q)
}

func (h *Hub) askList(ctx context.Context, b ListingBroker, pattern string, q ListQuery) (list []ChannelInfo, err error) {
	defer h.recoverAs(&err, "List", pattern)
	return b.List(ctx, q)
}

// countFailure is deferred around a call of the Broker.
func (h *Hub) countFailure(err *error) {
	if *err != nil {
		h.counters.brokerFailures.Add(1)
	}
}

// recoverAs is deferred around a call of the Broker. It makes an error of a panic,
// and logs what cannot be seen from that.
func (h *Hub) recoverAs(err *error, method, channel string) {
	v := recover()
	if v == nil {
		return
	}
	*err = fmt.Errorf("%s panicked", method)
	h.options.Logger.Error("hub: the broker panicked; its call has failed",
		"method", method, "channel", channel, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}
