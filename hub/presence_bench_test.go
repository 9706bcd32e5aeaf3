package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// audience is sessions in channel "c". Windows end when a benchmark says so.
type audience struct {
	b       *testing.B
	h       *hub.Hub
	members []*hub.Session
	there   []bool
	next    int
	watches []*hub.Session
	pushes  []hub.Push
}

func newAudience(b *testing.B, members, watches int) *audience {
	c := &audience{b: b, h: newHub(b, nil, &hub.Options{JoinWindow: time.Hour})}
	for i := range watches {
		c.watches = append(c.watches, connectUser(b, c.h, fmt.Sprint("watcher", i)).Session)
		c.watches[i].Subscribe(0, "c", hub.SubscribeOptions{Presence: true})
	}
	for i := range members {
		c.members = append(c.members, connectUser(b, c.h, fmt.Sprint("user", i)).Session)
		c.there = append(c.there, true)
		c.members[i].Subscribe(0, "c", hub.SubscribeOptions{})
	}
	c.end()
	return c
}

// change has the next member come or go, each in its turn.
func (c *audience) change() {
	i := c.next % len(c.members)
	if c.there[i] {
		c.members[i].Unsubscribe(0, "c")
	} else {
		c.members[i].Subscribe(0, "c", hub.SubscribeOptions{})
	}
	c.there[i] = !c.there[i]
	c.next++
}

// end ends a window, and has every watcher take its news.
func (c *audience) end() {
	if len(c.watches) == 0 {
		return
	}
	c.h.EndWindow("c")
	for _, s := range c.watches {
		var err error
		if c.pushes, err = s.Take(c.pushes[:0]); err != nil || len(c.pushes) != 1 {
			c.b.Fatalf("told %d times, %v", len(c.pushes), err)
		}
	}
}

// BenchmarkPresenceChange is one member that comes or goes, with its part of the
// window of so many in which that is told.
func BenchmarkPresenceChange(b *testing.B) {
	for _, watches := range []int{0, 1, 10, 100} {
		for _, members := range []int{100, 1000, 10_000} {
			for i, window := range []int{100, members} {
				if i > 0 && (members == 100 || watches == 0) {
					continue // the same as the line before
				}
				b.Run(fmt.Sprintf("watches=%d/members=%d/window=%d", watches, members, window), func(b *testing.B) {
					c := newAudience(b, members, watches)
					b.ReportAllocs()
					n := 0
					for b.Loop() {
						c.change()
						if n++; n == window {
							n = 0
							c.end()
						}
					}
				})
			}
		}
	}
}

// BenchmarkPresenceAudience is a window of a channel in which 10,000 watch, and so many
// come and go.
func BenchmarkPresenceAudience(b *testing.B) {
	for _, changes := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprint("changes=", changes), func(b *testing.B) {
			c := newAudience(b, 1000, 10_000)
			b.ReportAllocs()
			for b.Loop() {
				for range changes {
					c.change()
				}
				c.end()
			}
		})
	}
}

// BenchmarkPresencePage is a page of a channel: the first one since a window ended,
// and one that others have asked for; and in a channel that is not watched.
func BenchmarkPresencePage(b *testing.B) {
	for _, watches := range []int{0, 1} {
		for _, members := range []int{100, 10_000} {
			for _, isFirst := range []bool{true, false} {
				if watches == 0 && isFirst {
					continue
				}
				b.Run(fmt.Sprintf("watches=%d/members=%d/first=%v", watches, members, isFirst), func(b *testing.B) {
					c := newAudience(b, members, watches)
					b.ReportAllocs()
					for b.Loop() {
						if isFirst {
							b.StopTimer()
							c.change()
							c.end()
							b.StartTimer()
						}
						r, err := c.h.ListMembers("c", hub.PresenceQuery{})
						if err != nil || len(r.Members) == 0 {
							b.Fatal(len(r.Members), err)
						}
					}
				})
			}
		}
	}
}
