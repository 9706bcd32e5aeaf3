package roster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// membersOf are as many members, as servers have them: a session's ID, a user, and 40 bytes
// of its data.
func membersOf(n int) []hub.Member {
	members := make([]hub.Member, n)
	for i := range members {
		members[i] = hub.Member{
			ID: fmt.Sprintf("%026d", i), Transport: "websocket", Since: time.Unix(1_800_000_000, int64(i)).UTC(),
			User: fmt.Sprintf("user-%06d", i), Info: `{"name":"` + strings.Repeat("x", 29) + `"}`,
		}
	}
	return members
}

// BenchmarkChange is a change of one member as it is told and as it is read.
func BenchmarkChange(b *testing.B) {
	c := change{MembersChange: hub.MembersChange{Channel: "rooms/1234", Previous: 123_456, Number: 123_457, Joined: membersOf(1), Count: 10_000}, node: "ABCDEFGHIJ"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseChange(appendChange(nil, &c)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(appendChange(nil, &c))), "bytes")
}

// BenchmarkPages is all pages of a channel, as they are told and as they are read.
func BenchmarkPages(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprint("members=", n), func(b *testing.B) {
			own := hub.OwnMembers{Number: 123_456, AsOf: 123_460, Members: membersOf(n)}
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				one := pagesOf(&own, 1)
				bytes = 0
				for _, p := range one {
					bytes += len(p)
					if _, err := parsePage(p); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(bytes), "bytes")
		})
	}
}

// TestPagesFitTheBus: with any members, a page is a message of the bus, with the bytes that the
// cluster adds.
func TestPagesFitTheBus(t *testing.T) {
	for _, info := range []int{0, 1000, 64 << 10} {
		members := membersOf(3000)
		for i := range members {
			members[i].Info = strings.Repeat("i", info)
		}
		if info == 64<<10 {
			members = members[:50]
		}
		own := hub.OwnMembers{Number: 1, AsOf: 1, Members: members}
		pages, total := pagesOf(&own, 1), 0
		for i, b := range pages {
			p, err := parsePage(b)
			if err != nil || len(b) > hub.BusBytesMax/2 || p.pages != uint64(len(pages)) {
				t.Errorf("with %d bytes of info page %d of %d has %d bytes, %v", info, i, len(pages), len(b), err)
			}
			total += len(p.members)
		}
		if total != len(members) {
			t.Errorf("with %d bytes of info %d members are on the pages, want %d", info, total, len(members))
		}
	}
}
