package redisbroker

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// lister scans the keys for channels, once for all callers at a time: callers that come while
// one scan runs share the next.
type lister struct {
	mu      sync.Mutex // guards what follows
	running bool
	next    *scan // shared by the callers that come now; nil if there are none
}

// scan is the channels that have a stream, by name.
type scan struct {
	done  chan struct{}
	names []string
	err   error
}

const scanCount = 1000 // keys that Redis looks at in one call

// List implements hub.ListingBroker. Redis looks at all of its keys for it, so the
// calls of a moment share one scan.
func (b *Broker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return nil, err
	}
	if q.Limit <= 0 {
		return nil, hub.ErrListLimit
	}
	s := b.lister.share(b, be)
	select {
	case <-s.done:
	case <-ctx.Done():
		return nil, b.lateError(ctx)
	}
	if s.err != nil {
		return nil, b.closed(readError(ctx, s.err))
	}
	var list []hub.ChannelInfo
	begin, _ := slices.BinarySearch(s.names, q.After+"\x00")
	names := s.names[begin:]
	for len(names) > 0 && len(list) < q.Limit {
		var some []string
		for len(names) > 0 && len(some) < min(q.Limit-len(list), topsMax) {
			if q.Match == nil || q.Match(names[0]) {
				some = append(some, names[0])
			}
			names = names[1:]
		}
		infos, err := b.count(ctx, be, some)
		if err != nil {
			return nil, b.closed(readError(ctx, err))
		}
		list = append(list, infos...)
	}
	return list, nil
}

// share is a scan that begins after this call.
func (l *lister) share(b *Broker, be *backend) *scan {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = &scan{done: make(chan struct{})}
	}
	s := l.next
	if !l.running {
		if l.running = b.task(func() { l.run(b, be) }); !l.running {
			s.err, l.next = hub.ErrClosed, nil
			close(s.done)
		}
	}
	return s
}

// run scans until nobody waits for a scan.
func (l *lister) run(b *Broker, be *backend) {
	for {
		l.mu.Lock()
		s := l.next
		l.next = nil
		if s == nil {
			l.running = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		s.names, s.err = b.scan(b.ctx, be)
		close(s.done)
	}
}

// scan is the names of the channels that have a stream of the current epoch.
func (b *Broker) scan(ctx context.Context, be *backend) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	heads := make(map[string]bool, len(be.parts)) // what the keys of a partition's streams begin with
	for _, part := range be.parts {
		if at := part.state.Load(); at != nil {
			heads[at.streams] = true
		}
	}
	var names []string
	for _, node := range be.client.Nodes() {
		var cursor uint64
		for {
			entry, err := node.Do(ctx, node.B().Scan().Cursor(cursor).Match(b.place.names().key+"{*}:*:s:*").Count(scanCount).Type("stream").Build()).AsScanEntry()
			if err != nil {
				if reply, ok := rueidis.IsRedisErr(err); !ok && be.isCluster || ok && reply.IsLoading() {
					break // a server that has left; what it had is elsewhere
				}
				return nil, err
			}
			for _, key := range entry.Elements {
				if i := strings.Index(key, ":s:"); i >= 0 && heads[key[:i+3]] {
					names = append(names, key[i+3:])
				}
			}
			if cursor = entry.Cursor; cursor == 0 {
				break
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// count is how much of each channel is held, without those of which nothing is; in the
// order of names.
func (b *Broker) count(ctx context.Context, be *backend, names []string) ([]hub.ChannelInfo, error) {
	by := make(map[*partition][]int)
	for i, name := range names {
		part := be.partition(name)
		by[part] = append(by[part], i)
	}
	parts := make([]*partition, 0, len(by))
	for part := range by {
		parts = append(parts, part)
	}
	infos := make([]hub.ChannelInfo, len(names))
	err := b.each(parts, func(part *partition) error {
		at, answer, err := b.ask(ctx, be, part, scriptCounts, false, func(at *epoch) (keys, args []string) {
			for _, i := range by[part] {
				keys = append(keys, part.stream(at, names[i]))
			}
			return keys, nil
		})
		if err != nil {
			return err
		}
		if len(answer) != 2*len(by[part]) {
			return errAnswer
		}
		for n, i := range by[part] {
			top, err := answer[2*n].AsUint64()
			held, err2 := answer[2*n+1].AsInt64()
			if err != nil || err2 != nil {
				continue // it has gone
			}
			infos[i] = hub.ChannelInfo{Name: names[i], Publications: int(held), Position: hub.Position{Epoch: at.name, Offset: top}}
		}
		return nil
	})
	return slices.DeleteFunc(infos, func(c hub.ChannelInfo) bool { return c.Publications == 0 }), err
}
