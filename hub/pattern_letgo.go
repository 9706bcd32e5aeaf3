package hub

import "slices"

// letGo remembers how far the derived subscriptions were that were let go. What they had
// read from history may be delivered later than that; or one that was offered a
// publication is let go while others of the session, which are gone, are offered it.
// The channel that was let go first is forgotten first.
type letGo struct {
	positions map[string]letGoPosition
	order     []letGoTurn // oldest first; some were let go again since, or are not in positions
	turn      uint64      // of the newest in order
}

type letGoPosition struct {
	Position
	turn uint64
}

type letGoTurn struct {
	channel string
	turn    uint64
}

// letGoMin is how many channels are remembered at least.
const letGoMin = 256

func (l *letGo) remember(channel string, p Position, most int) {
	if l.positions == nil {
		l.positions = make(map[string]letGoPosition)
	}
	l.turn++
	l.positions[channel] = letGoPosition{p, l.turn}
	l.order = append(l.order, letGoTurn{channel, l.turn})
	if most = max(most, letGoMin); len(l.order) > 4*most {
		l.order = slices.DeleteFunc(l.order, func(t letGoTurn) bool { return !l.isNewest(t) })
	}
	for len(l.positions) > most {
		if l.isNewest(l.order[0]) {
			delete(l.positions, l.order[0].channel)
		}
		l.order = l.order[1:]
	}
}

func (l *letGo) isNewest(t letGoTurn) bool { return l.positions[t.channel].turn == t.turn }

// take returns how far the subscription of a channel was, and forgets that.
func (l *letGo) take(channel string) (Position, bool) {
	p, ok := l.positions[channel]
	delete(l.positions, channel)
	return p.Position, ok
}
