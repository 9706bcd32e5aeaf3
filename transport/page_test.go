package transport

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// polled waits a moment of virtual time and returns what a long poll answered,
// "" while it has not.
func polled(m *memory, after time.Duration) string {
	elapse(after)
	return m.take()
}

func TestLongPollWaits(t *testing.T) {
	type serve = func(string, fields) (*memory, func())
	bubble(t, Options{}, func(t *testing.T, h *hub.Hub, serve serve) {
		first := publishTo(t, h, "old")
		page := func(position hub.Position, data ...string) string {
			items := make([]string, len(data))
			for i, d := range data {
				items[i] = `"data":"` + d + `"}`
			}
			return fmt.Sprintf(`"position":"%s"`, position) + "…" + strings.Join(items, "…") + `],"gap":false}`
		}
		matches := func(got, want string) {
			t.Helper()
			for part := range strings.SplitSeq(want, "…") {
				_, rest, found := strings.Cut(got, part)
				if !found {
					t.Errorf("answered %q, want %q", got, want)
					return
				}
				got = rest
			}
		}
		wait := fields{"Prefer", "wait=20"}

		// Something newer exists: at once.
		m, leave := serve("/channels/chat?since="+first.Epoch+":0", wait)
		matches(polled(m, 0), page(first, "old"))
		if got := m.header.Get("Preference-Applied"); got != "wait=20" {
			t.Errorf("Preference-Applied: %q", got)
		}
		leave()

		// Nothing comes: an empty page after exactly that time.
		m, leave = serve("/channels/chat?since="+first.String(), wait)
		if h.Stats().Sessions[LongPoll] != 1 {
			t.Errorf("sessions while a poll waits: %v", h.Stats().Sessions)
		}
		if got := polled(m, 20*time.Second-1); got != "" {
			t.Errorf("answered early: %q", got)
		}
		matches(polled(m, 1), page(first))
		leave()

		// Something comes.
		m, leave = serve("/channels/chat?since="+first.String(), wait)
		if got := polled(m, 7*time.Second); got != "" {
			t.Errorf("answered early: %q", got)
		}
		second := publishTo(t, h, "new")
		matches(polled(m, 0), page(second, "new"))
		leave()

		// Without since it waits for publications newer than now.
		m, leave = serve("/channels/chat", wait)
		if got := polled(m, time.Second); got != "" {
			t.Errorf("answered what is old: %q", got)
		}
		third := publishTo(t, h, "newer")
		matches(polled(m, 0), page(third, "newer"))
		leave()

		// With last there is something to show.
		m, leave = serve("/channels/chat?last=2", wait)
		matches(polled(m, 0), page(third, "new", "newer"))
		leave()

		// A channel nobody has used.
		m, leave = serve("/channels/other", wait)
		if got := polled(m, 20*time.Second); !strings.Contains(got, `"publications":[],"gap":false`) {
			t.Errorf("answered %q", got)
		}
		leave()

		// The client leaves, and nothing is left of it; bubble and leave check.
		m, leave = serve("/channels/chat", wait)
		leave()
		if got := polled(m, time.Minute); got != "" {
			t.Errorf("answered a client that has gone: %q", got)
		}

		// A position that is lost is news.
		m, leave = serve("/channels/chat?since=other:1", wait)
		if got := polled(m, 0); !strings.Contains(got, `"gap":true`) {
			t.Errorf("answered %q", got)
		}
		leave()
	})
}

func TestLongPollCap(t *testing.T) {
	for _, test := range []struct {
		max     time.Duration
		prefer  string
		applied string
		waits   time.Duration
	}{
		{0, "wait=100", "wait=60", time.Minute},
		{0, "wait=0", "wait=0", 0},
		{0, "respond-async, WAIT=\"3\"", "wait=3", 3 * time.Second},
		{5 * time.Second, "wait=6", "wait=5", 5 * time.Second},
		{0, "wait=soon", "", 0},
		{0, "return=minimal", "", 0},
	} {
		bubble(t, Options{WaitMax: test.max}, func(t *testing.T, h *hub.Hub, serve func(string, fields) (*memory, func())) {
			m, leave := serve("/channels/chat", fields{"Prefer", test.prefer})
			if test.waits > 0 && polled(m, test.waits-1) != "" {
				t.Errorf("%s: answered early", test.prefer)
			}
			if polled(m, min(1, test.waits)) == "" {
				t.Errorf("%s: not answered after %v", test.prefer, test.waits)
			}
			if got := m.header.Get("Preference-Applied"); got != test.applied {
				t.Errorf("%s: Preference-Applied: %q, want %q", test.prefer, got, test.applied)
			}
			leave()
		})
	}
}

func TestLongPollShutdown(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, h *hub.Hub, serve func(string, fields) (*memory, func())) {
		at := publishTo(t, h, "x")
		m, leave := serve("/channels/chat", fields{"Prefer", "wait=30"})
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := polled(m, 0); !strings.Contains(got, `"position":"`+at.String()+`","publications":[],"gap":false`) {
			t.Errorf("answered %q", got)
		}
		leave()
	})
}

// A long poll works where no history is kept.
func TestLongPollWithoutHistory(t *testing.T) {
	s := newSite(t, siteOptions{hub: hub.Options{NoHistory: true}})
	type answer struct{ status, body string }
	answers := make(chan answer, 1)
	go func() {
		r, body := s.do("GET", "/channels/chat", fields{"Prefer", "wait=15"}, "")
		answers <- answer{r.Status, body}
	}()
	for {
		// Presence says when it waits; what came before would be its past.
		if _, body := s.do("GET", "/presence/chat", nil, ""); strings.Contains(body, LongPoll) {
			break
		}
	}
	s.publish("chat", hub.Text, "live")
	if got := <-answers; !strings.Contains(got.body, `"data":"live"}],"gap":false}`) {
		t.Errorf("answered %v", got)
	}
}

func TestPageBytesMax(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{PageBytesMax: 1000}})
	for range 10 {
		s.publish("chat", hub.Text, strings.Repeat("x", 300))
	}
	epoch := s.epoch()
	for _, test := range []struct {
		since, n int
	}{{0, 2}, {2, 2}, {9, 1}, {10, 0}} {
		_, body := s.do("GET", "/channels/chat?since="+epoch+":"+strconv.Itoa(test.since), nil, "")
		want := fmt.Sprintf(`{"channel":"chat","position":"%s:%d","publications":[`, epoch, test.since+test.n)
		if !strings.HasPrefix(body, want) || strings.Count(body, `"data"`) != test.n {
			t.Errorf("since %d: %s, want %d publications", test.since, body, test.n)
		}
	}
	// A publication larger than the limit still gets through.
	s.publish("big", hub.Text, strings.Repeat("x", 2000))
	if _, body := s.do("GET", "/channels/big", nil, ""); strings.Count(body, `"data"`) != 1 {
		t.Errorf("a large publication: %s", body)
	}
}
