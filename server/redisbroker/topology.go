package redisbroker

import (
	"context"
	"net"
	"strconv"

	"github.com/redis/rueidis"
)

// refresh finds out which server has which partition. Alone or behind sentinels it is
// one, whose address may change; in a cluster each has some.
func (b *Broker) refresh(ctx context.Context, be *backend) error {
	if !be.isCluster {
		address := ""
		for a := range be.client.Nodes() {
			address = a
		}
		l := b.listener(be, "")
		l.move(address)
		b.assign(be, func(*partition) *listener { return l })
		return nil
	}
	answer, err := be.client.Do(ctx, be.client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return readError(ctx, err)
	}
	ranges, err := parseSlots(answer, be.client.Nodes())
	if err != nil {
		return err
	}
	owners := make(map[*partition]*listener)
	used := make(map[*listener]bool)
	for _, part := range be.parts {
		address := ""
		for _, r := range ranges {
			if int64(part.slot) >= r.first && int64(part.slot) <= r.last {
				address = r.address
			}
		}
		if address == "" {
			return errNoOwner
		}
		l := b.listener(be, address)
		l.move(address)
		owners[part], used[l] = l, true
	}
	b.assign(be, func(part *partition) *listener { return owners[part] })
	for _, l := range be.all() {
		if !used[l] {
			be.mu.Lock()
			delete(be.listeners, l.key)
			be.mu.Unlock()
			l.end()
		}
	}
	return nil
}

// slotRange is slots that a server has.
type slotRange struct {
	first, last int64
	address     string
}

// parseSlots is what CLUSTER SLOTS says of masters. A server that does not know its own
// host has an empty one; nodes are those that the client knows.
func parseSlots(answer []rueidis.RedisMessage, nodes map[string]rueidis.Client) ([]slotRange, error) {
	var list []slotRange
	for _, message := range answer {
		row, err := message.ToArray()
		if err != nil || len(row) < 3 {
			return nil, errAnswer
		}
		first, err1 := row[0].AsInt64()
		last, err2 := row[1].AsInt64()
		master, err3 := row[2].ToArray()
		if err1 != nil || err2 != nil || err3 != nil || len(master) < 2 {
			return nil, errAnswer
		}
		host, _ := master[0].ToString()
		port, err := master[1].AsInt64()
		if err != nil {
			return nil, errAnswer
		}
		address := net.JoinHostPort(host, strconv.FormatInt(port, 10))
		if host == "" || host == "?" {
			address = ""
			for known := range nodes {
				if _, p, err := net.SplitHostPort(known); err == nil && p == strconv.FormatInt(port, 10) {
					address = known
				}
			}
		}
		list = append(list, slotRange{first, last, address})
	}
	return list, nil
}

// listener is the one of a server, made if there is none.
func (b *Broker) listener(be *backend, key string) *listener {
	be.mu.Lock()
	defer be.mu.Unlock()
	l := be.listeners[key]
	if l == nil {
		l = newListener(b, be, key)
		be.listeners[key] = l
		b.task(l.loop)
	}
	return l
}

// assign gives each partition to its listener, with all of its topics. Each has one topic that
// shows whether its server is heard.
func (b *Broker) assign(be *backend, owner func(*partition) *listener) {
	be.mu.Lock()
	defer be.mu.Unlock()
	for i, part := range be.parts {
		next, before := owner(part), be.owners[i]
		be.owners[i] = next
		switch {
		case before == nil:
			next.add(&topic{name: part.topics + "p:" + b.id, part: part, isProbe: true, wanted: true})
		case before != next:
			for _, t := range before.takeTopics(part) {
				next.add(t)
			}
		}
	}
}
