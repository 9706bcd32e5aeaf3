package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// No sequence of requests reads or changes a channel that the grants of the caller
// exclude. The model beside it is written without package access: patterns here are
// few, and what they match is a table.
func TestNothingBeyondTheGrants(t *testing.T) {
	seeds := uint64(30)
	if testing.Short() {
		seeds = 6
	}
	for seed := range seeds {
		world := &world{fixture: newFixture(t, nil), random: rand.New(rand.NewPCG(seed, 7)), published: map[string]int{}}
		world.begin()
		for range 150 {
			world.step()
		}
		if t.Failed() {
			t.Fatalf("seed %d, grants %v", seed, world.grants)
		}
	}
}

var (
	worldChannels = []string{"a", "a/x", "a/y", "b", "b/x", "@ann", "@ann/x"}

	// worldPatterns are what patterns match: with manage a wildcard stands for users'
	// channels, too.
	worldPatterns = map[string]struct{ plain, manage []string }{
		"a":    {[]string{"a"}, []string{"a"}},
		"a/*":  {[]string{"a/x", "a/y"}, []string{"a/x", "a/y"}},
		"*":    {[]string{"a", "b"}, []string{"a", "b", "@ann"}},
		"*/x":  {[]string{"a/x", "b/x"}, []string{"a/x", "b/x", "@ann/x"}},
		"@ann": {[]string{"@ann"}, []string{"@ann"}},
		"b/**": {[]string{"b/x"}, []string{"b/x"}},
		"**":   {[]string{"a", "a/x", "a/y", "b", "b/x"}, worldChannels},
	}
)

type world struct {
	*fixture
	random    *rand.Rand
	grants    map[string][]string
	published map[string]int // by channel
	sessions  []*hub.Session
	users     []string
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func (w *world) begin() {
	patterns := []string{"a", "a/*", "*", "*/x", "@ann", "b/**", "**"}
	w.grants = map[string][]string{}
	for _, action := range []string{"publish", "presence", "manage"} {
		for range w.random.IntN(3) {
			w.grants[action] = append(w.grants[action], pick(w.random, patterns))
		}
	}
	text, err := json.Marshal(w.grants)
	if err != nil {
		w.t.Fatal(err)
	}
	w.let("caller", string(text))
	for _, name := range worldChannels {
		w.publish(name, "first")
		w.published[name]++
	}
	for range 8 {
		w.open()
	}
}

func (w *world) open() {
	var channels []string
	for range w.random.IntN(3) {
		if name := pick(w.random, worldChannels); !slices.Contains(channels, name) {
			channels = append(channels, name)
		}
	}
	user := pick(w.random, []string{"ann", "bob"})
	w.sessions = append(w.sessions, w.session(&access.Identity{Kind: access.Token, User: user}, channels...))
	w.users = append(w.users, user)
}

// may is the model of what the caller may do.
func (w *world) may(action, channel string) bool {
	for _, p := range w.grants[action] {
		if list := worldPatterns[p]; slices.Contains(list.plain, channel) || action == "manage" && slices.Contains(list.manage, channel) {
			return true
		}
	}
	return action != "manage" && w.may("manage", channel)
}

func (w *world) mayAll() bool { return slices.Contains(w.grants["manage"], "**") }

// state is all that could be changed: what the channels hold, and which sessions are open.
func (w *world) state() map[string]string {
	state := map[string]string{}
	for _, name := range worldChannels {
		list := w.history(name)
		state[name] = fmt.Sprint(len(list), " of ", w.published[name])
	}
	for i, s := range w.sessions {
		// What was sent to it is of no interest; why it ended is.
		err := endOf(s)
		state[fmt.Sprint("session ", i)] = fmt.Sprint(err)
	}
	return state
}

// step makes a request, and checks that it has done what the model allows and
// nothing else.
func (w *world) step() {
	before := w.state()
	may := map[string]bool{} // what the request may change
	channel, i := pick(w.random, worldChannels), w.random.IntN(len(w.sessions))
	s := w.sessions[i]
	var a answered
	what := ""
	ok := false // it is to succeed
	switch w.random.IntN(9) {
	case 0:
		what = "POST publish " + channel
		a = w.do("caller", "POST", "publish", fmt.Sprintf(`{"channel":%q,"data":1}`, channel))
		ok = w.may("publish", channel)
		may[channel] = ok
	case 1:
		what = "POST batch"
		other := pick(w.random, worldChannels)
		a = w.do("caller", "POST", "batch", fmt.Sprintf(`{"publications":[{"channel":%q,"data":1},{"channel":%q,"data":2}]}`, channel, other))
		may[channel], may[other] = w.may("publish", channel), w.may("publish", other)
		ok = true
	case 2:
		what = "DELETE history " + channel
		a = w.do("caller", "DELETE", "channels/"+escaped(channel)+"/history", "")
		ok = w.may("manage", channel)
		may[channel] = ok
	case 3:
		what = fmt.Sprint("DELETE session ", i, s.Channels())
		a = w.do("caller", "DELETE", "sessions/"+s.ID(), "")
		ok = w.mayAll() || len(s.Channels()) > 0
		for _, name := range s.Channels() {
			ok = ok && w.may("manage", name)
		}
		may[fmt.Sprint("session ", i)] = ok
	case 4:
		user := pick(w.random, []string{"ann", "bob"})
		what = "DELETE sessions of " + user
		a = w.do("caller", "DELETE", "users/"+user+"/sessions", "")
		ok = w.mayAll()
		for j := range w.sessions {
			may[fmt.Sprint("session ", j)] = ok && w.users[j] == user
		}
	case 5:
		what = "POST message to ann"
		a = w.do("caller", "POST", "users/ann/messages", `{"data":1}`)
		ok = w.may("publish", "@ann")
		may["@ann"] = ok
	case 6:
		what = "GET channels"
		a = w.do("caller", "GET", "channels"+pick(w.random, []string{"", "?match=**", "?match=*/x", "?limit=3"}), "")
		ok = true
		w.onlyManaged(a)
	case 7:
		query := pick(w.random, []string{"", "?user=ann", "?channel=" + channel, "?limit=2"})
		what = "GET sessions" + query
		a = w.do("caller", "GET", "sessions"+query, "")
		asked, has := strings.CutPrefix(query, "?channel=")
		ok = !has || w.may("presence", asked)
		if a.status == 200 {
			w.onlySeen(a, asked)
		}
	case 8:
		what = "GET explain " + channel
		a = w.do("caller", "GET", "explain?action=publish&channel="+channel, "")
		ok = w.may("manage", channel)
	}
	if (a.status < 300) != ok {
		w.t.Errorf("%s: %d %s", what, a.status, a.body)
	}
	after := w.state()
	for name, is := range after {
		if is != before[name] && !may[name] {
			w.t.Errorf("%s changed %s from %s to %s", what, name, before[name], is)
		}
	}
	w.open() // in the place of those that ended
	if len(w.sessions) > 20 {
		w.sessions[0].Close()
		w.sessions, w.users = w.sessions[1:], w.users[1:]
	}
}

func (w *world) onlyManaged(a answered) {
	var p channelsPage
	a.as(&p)
	for _, c := range p.Channels {
		if !w.may("manage", c.Channel) {
			w.t.Errorf("the list of channels has %s", c.Channel)
		}
	}
}

func (w *world) onlySeen(a answered, asked string) {
	var p sessionsPage
	a.as(&p)
	for _, s := range p.Sessions {
		for _, name := range s.Channels {
			if !w.may("manage", name) && (name != asked || !w.may("presence", name)) {
				w.t.Errorf("a session is shown on %s", name)
			}
		}
		if len(s.Channels) == 0 && !w.mayAll() {
			w.t.Errorf("a session is shown without a channel")
		}
	}
}
