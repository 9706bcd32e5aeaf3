package relay

import (
	"context"
	"io"
	"sync"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
	"github.com/godwit-io/godwit/hub/internal/trie"
)

// guest is a Broker in another process that has moved here: it asks, and receives the
// deliveries of the channels that it listens to.
type guest struct {
	broker *Broker
	line   *line
	calls  sync.WaitGroup

	mu       sync.Mutex          // guards what follows
	listens  map[string]struct{} // channels and patterns
	patterns trie.Trie[struct{}] // the patterns of them
	lost     map[string]struct{} // channels of which deliveries were left out
}

func newGuest(b *Broker, conn io.ReadWriteCloser) *guest {
	g := &guest{broker: b, line: newLine(conn), listens: make(map[string]struct{})}
	g.line.onIdle = g.tellLost
	return g
}

// receive hands a publication on. It does not block.
func (g *guest) receive(p *hub.Publication) {
	if !g.hears(p.Channel) {
		return
	}
	if !g.line.send(waitingBytesMax, func(dst []byte) []byte {
		start := len(dst)
		dst = pubcodec.AppendString(beginFrame(dst, frameDeliver), p.Channel)
		dst = pubcodec.AppendString(dst, p.Position.Epoch)
		return endFrame(pubcodec.AppendPublication(dst, p), start)
	}) {
		g.lose(p.Channel)
	}
}

func (g *guest) hears(channel string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, is := g.listens[channel]; is {
		return true
	}
	var room [8]struct{}
	return g.patterns.Len() > 0 && len(g.patterns.Match(channel, room[:0])) > 0
}

// add adds a channel or a pattern; g.mu is held.
func (g *guest) add(name string) {
	if _, is := g.listens[name]; is {
		return
	}
	g.listens[name] = struct{}{}
	if hub.IsPattern(name) {
		g.patterns.Add(name, struct{}{})
	}
}

// remove removes a channel or a pattern; g.mu is held.
func (g *guest) remove(name string) {
	if _, is := g.listens[name]; !is {
		return
	}
	delete(g.listens, name)
	if hub.IsPattern(name) {
		g.patterns.Remove(name, struct{}{})
	}
}

// lose notes that something of a channel was not handed on, all for "". It is told when
// what waits has been written, and is then read from history.
func (g *guest) lose(channel string) {
	g.mu.Lock()
	if g.lost == nil {
		g.lost = make(map[string]struct{})
	}
	g.lost[channel] = struct{}{}
	g.mu.Unlock()
	g.line.wake()
}

func (g *guest) tellLost() {
	g.mu.Lock()
	lost := g.lost
	g.lost = nil
	g.mu.Unlock()
	for channel := range lost {
		g.line.send(maxInt, func(dst []byte) []byte {
			start := len(dst)
			return endFrame(pubcodec.AppendString(beginFrame(dst, frameLost), channel), start)
		})
	}
}

// Published implements hub.Completer.
func (g *guest) Published(ticket uint64, p hub.Published) {
	g.line.send(maxInt, func(dst []byte) []byte {
		start := len(dst)
		dst = appendError(pubcodec.AppendUint(beginFrame(dst, framePublished), ticket), p.Err)
		dst = pubcodec.AppendBool(pubcodec.AppendPosition(dst, p.Position), p.Duplicate)
		return endFrame(dst, start)
	})
}

// serve answers calls until the connection ends.
func (g *guest) serve() {
	go g.line.writeLoop()
	ctx, cancel := context.WithCancel(context.Background())
	r := newFrameReader(g.line.conn)
	for {
		kind, f, err := r.next()
		if err != nil || g.take(ctx, kind, &f) != nil {
			break
		}
	}
	cancel()
	g.line.close()
	<-g.line.done
	g.calls.Wait()
}

// take takes a frame. What the broker can answer at once is answered in place, and so
// in the order in which it was asked.
func (g *guest) take(ctx context.Context, kind byte, f *pubcodec.Fields) error {
	number := f.Uint()
	if kind == framePublish {
		r := f.Retention()
		m := f.Message()
		if f.Rest() == nil {
			g.broker.Publish(m, r, g, number)
		}
		return f.Err
	}
	var answer func(ctx context.Context) error
	switch kind {
	case frameListen:
		channel := f.String()
		answer = func(ctx context.Context) error { return g.listen(ctx, number, channel) }
	case frameMute:
		channel := f.String()
		answer = func(ctx context.Context) error { return g.mute(ctx, number, channel) }
	case frameListenPattern, frameMutePattern:
		pattern := f.String()
		if f.Rest() == nil && hub.CheckPattern(pattern) != nil {
			return errFrame
		}
		ask := g.broker.muteFor
		if kind == frameListenPattern {
			ask = g.broker.listenPatternFor
		}
		answer = func(ctx context.Context) error { return g.reply(number, ask(ctx, guests, pattern), nil) }
	case frameHistory:
		channel, q := f.String(), f.Query()
		answer = func(ctx context.Context) error { return g.history(ctx, number, channel, q) }
	case frameClear:
		channel := f.String()
		answer = func(ctx context.Context) error { return g.reply(number, g.broker.Clear(ctx, channel), nil) }
	case frameList:
		q := hub.ListQuery{After: f.String(), Limit: int(f.Int())}
		answer = func(ctx context.Context) error { return g.list(ctx, number, q) }
	case frameHealth:
		answer = func(ctx context.Context) error { return g.reply(number, g.broker.Health(ctx), nil) }
	default:
		return errFrame
	}
	if f.Rest() != nil {
		return f.Err
	}
	if g.broker.IsImmediate() {
		return answer(ctx)
	}
	g.calls.Go(func() { _ = answer(ctx) }) // as many as the hub there has under way
	return nil
}

// reply answers a call.
func (g *guest) reply(number uint64, err error, add func(dst []byte) []byte) error {
	g.line.send(maxInt, func(dst []byte) []byte {
		start := len(dst)
		dst = appendError(pubcodec.AppendUint(beginFrame(dst, frameReply), number), err)
		if err == nil && add != nil {
			dst = add(dst)
		}
		return endFrame(dst, start)
	})
	return nil
}

func (g *guest) listen(ctx context.Context, number uint64, channel string) error {
	top, err := g.broker.listenFor(ctx, guests, channel)
	return g.reply(number, err, func(dst []byte) []byte { return pubcodec.AppendPosition(dst, top) })
}

func (g *guest) mute(ctx context.Context, number uint64, channel string) error {
	return g.reply(number, g.broker.muteFor(ctx, guests, channel), nil)
}

func (g *guest) history(ctx context.Context, number uint64, channel string, q hub.Query) error {
	page, err := g.broker.History(ctx, channel, q)
	for left := page.Publications; len(left) > 0; {
		g.line.send(maxInt, func(dst []byte) []byte {
			start := len(dst)
			dst = pubcodec.AppendUint(beginFrame(dst, framePart), number)
			for len(left) > 0 && len(dst)-start < partBytes {
				dst = pubcodec.AppendString(dst, left[0].Position.Epoch)
				dst = pubcodec.AppendPublication(dst, left[0])
				left = left[1:]
			}
			return endFrame(dst, start)
		})
		if g.line.isClosed() {
			break
		}
	}
	return g.reply(number, err, func(dst []byte) []byte {
		dst = pubcodec.AppendPosition(pubcodec.AppendPosition(dst, page.Position), page.Begin)
		dst = pubcodec.AppendBool(dst, page.Gap != nil)
		if page.Gap != nil {
			dst = pubcodec.AppendGap(dst, page.Gap)
		}
		return dst
	})
}

func (g *guest) list(ctx context.Context, number uint64, q hub.ListQuery) error {
	list, err := g.broker.List(ctx, q)
	return g.reply(number, err, func(dst []byte) []byte {
		for i := range list {
			dst = pubcodec.AppendChannelInfo(dst, &list[i])
		}
		return dst
	})
}
