package redisbroker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// The names of the tests of this file and the next are those of rows of the table in
// docs/broker-redis.md.

var someChannels = []string{"a", "b/1", "b/2", "c"}

// TestConnectionsCut: nothing is missing, and nothing is announced, whatever a network does to
// connections.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	p := newProxy(t, redis.Address())
	s := start(t, newBroker(t, p.url()))
	s.listen(someChannels...)
	other := newBroker(t, redis.URL())
	start(t, other).listen("a")
	l := startLoad(t, other, someChannels...)
	for range 10 {
		l.awaitMore(t, 50)
		p.cut()
	}
	l.awaitMore(t, 50)
	if gaps := l.end(t, s); gaps > 0 {
		t.Errorf("%d gaps, and nothing was lost", gaps)
	}
}

// TestScriptsFlushed: a server that forgets its scripts is given them again, and is the one it
// was.
func TestScriptsFlushed(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := start(t, newBroker(t, redis.URL()))
	s.listen(someChannels...)
	l := startLoad(t, s.b, someChannels...)
	for range 10 {
		l.awaitMore(t, 20)
		redis.Must(t, "SCRIPT", "FLUSH")
	}
	if gaps := l.end(t, s); gaps > 0 {
		t.Errorf("%d gaps, and nothing was lost", gaps)
	}
}

// TestEverythingDeleted: after FLUSHALL histories begin again, and everybody is told.
func TestEverythingDeleted(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	s := start(t, newBroker(t, redis.URL()))
	s.listen(append(slices.Clone(someChannels), "quiet")...)
	before := mustPublish(t, s.b, "quiet", "only one")
	l := startLoad(t, s.b, someChannels...)
	l.awaitMore(t, 100)
	redis.Must(t, "FLUSHALL")
	l.awaitMore(t, 100)
	l.end(t, s)
	all := s.await("the quiet channel has a gap", func(all map[string]seen) bool { return all["quiet"].gaps > 0 })
	if now := all["quiet"].last; now.Epoch == before.Epoch {
		t.Errorf("%v comes after %v", now, before)
	}
}

// TestStreamDeleted: a client that comes back to a channel whose history was deleted is told so.
func TestStreamDeleted(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b := newBroker(t, redis.URL())
	s := start(t, b)
	s.listen("c")
	var at hub.Position
	for i := range 5 {
		at = mustPublish(t, b, "c", fmt.Sprint(i))
	}
	s.awaitText("4", "c")
	part := b.backend.Load().partition("c")
	redis.Must(t, "DEL", part.stream(part.state.Load(), "c"))
	next := mustPublish(t, b, "c", "5")
	if next.Epoch == at.Epoch && next.Offset <= at.Offset {
		t.Errorf("%v was given out after %v", next, at)
	}
	if all := s.awaitText("5", "c"); all["c"].gaps > 0 {
		t.Error("a gap for somebody who has seen everything")
	}
	at.Offset -= 2
	if page, err := b.History(t.Context(), "c", hub.Query{Since: at}); err != nil || page.Gap == nil || len(page.Publications) != 1 {
		t.Errorf("what comes after %v is %+v, %v; want a gap and one publication", at, page, err)
	}
}

// TestRestarted: a server that was killed and has come back is another one, also with what
// was on its disk: some of it may be missing.
func TestRestarted(t *testing.T) {
	for _, aof := range []string{"no", "yes"} {
		t.Run("appendonly "+aof, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t, "--appendonly", aof)
			s := start(t, newBroker(t, redis.URL()))
			s.listen(append(slices.Clone(someChannels), "quiet")...)
			mustPublish(t, s.b, "quiet", "only one")
			l := startLoad(t, s.b, someChannels...)
			for range 2 {
				l.awaitMore(t, 100)
				if err := redis.Kill(); err != nil {
					t.Fatal(err)
				}
				if err := redis.Start(); err != nil {
					t.Fatal(err)
				}
			}
			l.awaitMore(t, 100)
			if gaps := l.end(t, s); gaps == 0 {
				t.Error("no gap, and the history is gone")
			}
			s.await("the quiet channel has a gap", func(all map[string]seen) bool { return all["quiet"].gaps > 0 })
		})
	}
}

// TestMasterKilled: a replica becomes the master while many publish and listen.
func TestMasterKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("a sentinel takes seconds to see that a master is gone")
	}
	t.Parallel()
	r := redistest.StartReplicated(t)
	s := start(t, newBroker(t, r.URL()))
	s.listen(append(slices.Clone(someChannels), "quiet")...)
	mustPublish(t, s.b, "quiet", "only one")
	l := startLoad(t, s.b, someChannels...)
	l.awaitMore(t, 200)
	master := r.Master(t)
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	r.AwaitMaster(t, r.Other(master))
	l.awaitMore(t, 200)
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	r.AwaitReplica(t, master)
	l.awaitMore(t, 200)
	if gaps := l.end(t, s); gaps == 0 {
		t.Error("no gap, and another server has become the master")
	}
	s.await("the quiet channel has a gap", func(all map[string]seen) bool { return all["quiet"].gaps > 0 })
}

// TestMasterStopped: a master that answers nobody loses its office, and when it goes on
// it is not listened to.
func TestMasterStopped(t *testing.T) {
	if testing.Short() {
		t.Skip("a sentinel takes seconds to see that a master is gone")
	}
	t.Parallel()
	r := redistest.StartReplicated(t)
	s := start(t, newBroker(t, r.URL()))
	s.listen(someChannels...)
	l := startLoad(t, s.b, someChannels...)
	l.awaitMore(t, 200)
	master := r.Master(t)
	if err := master.Pause(); err != nil {
		t.Fatal(err)
	}
	r.AwaitMaster(t, r.Other(master))
	l.awaitMore(t, 200)
	if err := master.Resume(); err != nil {
		t.Fatal(err)
	}
	r.AwaitReplica(t, master)
	l.awaitMore(t, 200)
	if gaps := l.end(t, s); gaps == 0 {
		t.Error("no gap, and another server has become the master")
	}
}

// TestTailLost: what the old master had acknowledged and the new one never had is announced, and
// the offsets that are given out again are of another epoch.
func TestTailLost(t *testing.T) {
	if testing.Short() {
		t.Skip("a sentinel takes seconds to see that a master is gone")
	}
	t.Parallel()
	r := redistest.StartReplicated(t)
	s := start(t, newBroker(t, r.URL()))
	s.listen("c", "quiet")
	mustPublish(t, s.b, "c", "kept")
	mustPublish(t, s.b, "quiet", "kept")
	master := r.Master(t)
	master.Must(t, "WAIT", "1", "20000")
	replica := r.Other(master)
	if err := replica.Pause(); err != nil {
		t.Fatal(err)
	}
	tail := make(map[hub.Position]string)
	for i := range 10 {
		text := fmt.Sprint("tail ", i)
		tail[mustPublish(t, s.b, "c", text)] = text
		mustPublish(t, s.b, "quiet", "quiet "+text)
	}
	s.awaitText("tail 9", "c")
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := replica.Resume(); err != nil {
		t.Fatal(err)
	}
	r.AwaitMaster(t, replica)
	for i := range 20 {
		text := fmt.Sprint("new ", i)
		if at := mustPublish(t, s.b, "c", text); tail[at] != "" {
			t.Errorf("%v is %q, and was %q", at, text, tail[at])
		}
	}
	all := s.awaitText("new 19", "c")
	if all["c"].gaps == 0 {
		t.Error("no gap")
	}
	// Nobody publishes there, and a client that was not listening meanwhile has missed ten.
	s.await("the quiet channel has a gap", func(all map[string]seen) bool { return all["quiet"].gaps > 0 })
	for at := range tail {
		if page, err := s.b.History(t.Context(), "c", hub.Query{Since: at}); err != nil || page.Gap == nil {
			t.Errorf("what comes after %v, which is lost, is %d publications without a gap, %v", at, len(page.Publications), err)
		}
	}
}

// TestEpochChangedByAll: nodes that see at the same time that a server is another one agree about
// what it is now.
func TestEpochChangedByAll(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var nodes []*subscribers
	for range 4 {
		s := start(t, newBroker(t, redis.URL()))
		s.listen(someChannels...)
		nodes = append(nodes, s)
	}
	for round := range 3 {
		if err := redis.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := redis.Start(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i, s := range nodes {
			for _, name := range someChannels {
				wg.Go(func() { mustPublish(t, s.b, name, fmt.Sprint(round, " ", i)) })
			}
		}
		wg.Wait()
		for _, s := range nodes {
			for i := range nodes {
				s.awaitText(fmt.Sprint(round, " ", i), someChannels...)
			}
		}
		for _, name := range someChannels {
			page, err := nodes[0].b.History(t.Context(), name, hub.Query{})
			if err != nil || len(page.Publications) != len(nodes) {
				t.Fatalf("round %d: the history of %s is %d publications, %v; %d were accepted", round, name, len(page.Publications), err, len(nodes))
			}
			for _, s := range nodes[1:] {
				if other, err := s.b.History(t.Context(), name, hub.Query{}); err != nil || other.Position != page.Position {
					t.Errorf("round %d: nodes have %s at %v and %v, %v", round, name, page.Position, other.Position, err)
				}
			}
		}
	}
}

// TestPublicationThatTimedOutWasStored: its outcome is not known, it is delivered, and
// trying again with its key does not publish it twice.
func TestPublicationThatTimedOutWasStored(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	p := newProxy(t, redis.Address())
	b := newBroker(t, p.url())
	start(t, b)
	other := start(t, newBroker(t, redis.URL()))
	other.listen("c")
	mustPublish(t, b, "c", "first")
	p.set(func() { p.held = true })
	m := hub.Message{Channel: "c", Data: []byte("second"), IdempotencyKey: "k"}
	outcome := make(result, 1)
	b.Publish(m, plenty, outcome, 1)
	stored := other.awaitText("second", "c")["c"].last
	p.cut()
	p.set(func() { p.held = false })
	if got := <-outcome; got.Err != hub.ErrUnanswered {
		t.Fatalf("the outcome is %+v, want ErrUnanswered", got)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		got := publish(b, m)
		if got.Err == nil {
			if !got.Duplicate || got.Position != stored {
				t.Errorf("trying again has the outcome %+v, want a duplicate of %v", got, stored)
			}
			break
		}
		if time.Since(began) > patience {
			t.Fatal(got.Err)
		}
	}
}

// TestOutputBufferOverrun: a server cuts a connection that listens and is not read; what is
// missing is read from histories.
func TestOutputBufferOverrun(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Must(t, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0")
	p := newProxy(t, redis.Address())
	s := start(t, newBroker(t, p.url()))
	s.listen("c", "quiet")
	id, _, _ := strings.Cut(redis.Must(t, "CLIENT", "LIST", "TYPE", "pubsub"), " ") // there is one
	other := newBroker(t, redis.URL())
	start(t, other)
	mustPublish(t, other, "c", "first")
	s.awaitText("first", "c")
	p.set(func() { p.heldIn = true })
	big := strings.Repeat("x", 256<<10)
	want := 1
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; want++ { // sockets take some megabytes
		mustPublish(t, other, "c", fmt.Sprint(want, big))
		if list := redis.Must(t, "CLIENT", "LIST", "TYPE", "pubsub"); !strings.Contains(list, id+" ") {
			break
		}
		if time.Since(began) > patience {
			t.Fatal("the server has not cut the connection")
		}
	}
	mustPublish(t, other, "quiet", "end")
	p.set(func() { p.heldIn = false })
	mustPublish(t, other, "c", "end")
	all := s.awaitText("end", "c", "quiet")
	if got := all["c"]; got.gaps > 0 || len(got.texts) != want+2 {
		t.Errorf("%d of %d publications, %d gaps", len(got.texts), want+2, got.gaps)
	}
}

// TestLineAtAnotherServer: a connection that listens is well, at a server that nobody publishes
// to; Redis says that everything is in the best of order.
func TestLineAtAnotherServer(t *testing.T) {
	if testing.Short() {
		t.Skip("a probe takes ten seconds")
	}
	t.Parallel()
	redis, wrong := redistest.Start(t), redistest.Start(t)
	p := newProxy(t, redis.Address())
	p.lines = wrong.Address()
	s := start(t, newBroker(t, p.url()))
	s.listen("c")
	mustPublish(t, s.b, "c", "unheard")
	p.set(func() { p.lines = "" }) // for the next connection; this one stays
	all := s.awaitText("unheard", "c")
	if all["c"].gaps > 0 {
		t.Error("a gap, and nothing was lost")
	}
}

// TestRefusals: what a server refuses is said in words, and was not published.
func TestRefusals(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Must(t, "ACL", "SETUSER", "mute", "on", ">secret", "+@all", "-publish", "~*", "&*")
	redis.Must(t, "ACL", "SETUSER", "reader", "on", ">secret", "+@all", "~*", "&*")
	b := newBroker(t, "redis://reader:secret@"+redis.Address())
	start(t, b)
	mustPublish(t, b, "c", "first")
	for _, test := range []struct {
		set, reset []string
		want       error
	}{
		{[]string{"CONFIG", "SET", "min-replicas-to-write", "1"}, []string{"CONFIG", "SET", "min-replicas-to-write", "0"}, ErrNoReplicas},
		{[]string{"CONFIG", "SET", "maxmemory", "1mb"}, []string{"CONFIG", "SET", "maxmemory", "0"}, ErrMemory},
		{[]string{"ACL", "SETUSER", "reader", "-evalsha", "-eval"}, []string{"ACL", "SETUSER", "reader", "+evalsha", "+eval"}, ErrPermission},
		{[]string{"ACL", "SETUSER", "reader", "-xadd"}, []string{"ACL", "SETUSER", "reader", "+xadd"}, ErrPermission},
	} {
		redis.Must(t, test.set...)
		got := publish(b, hub.Message{Channel: "c", Data: []byte("refused")})
		redis.Must(t, test.reset...)
		if !errors.Is(got.Err, test.want) {
			t.Errorf("%q: %v, want %v", test.set, got.Err, test.want)
		}
	}
	page, err := b.History(t.Context(), "c", hub.Query{})
	if err != nil || len(page.Publications) != 1 {
		t.Errorf("the history is %d publications, %v; want one", len(page.Publications), err)
	}

	// A publication that is stored and told to nobody is not called refused.
	silent := newBroker(t, "redis://mute:secret@"+redis.Address())
	start(t, silent)
	if got := publishWhenReached(t, silent, hub.Message{Channel: "d"}); got.Err != hub.ErrUnanswered {
		t.Errorf("without the right to PUBLISH: %+v", got)
	}
}

// publishWhenReached publishes once the Broker has reached its server.
func publishWhenReached(t *testing.T, b *Broker, m hub.Message) hub.Published {
	t.Helper()
	select {
	case <-b.reached:
	case <-time.After(patience):
		t.Fatal(b.away())
	}
	return publish(b, m)
}

// TestReplicaIsNoMaster: a replica that somebody has put into the URL is found out.
func TestReplicaIsNoMaster(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	_, port, _ := strings.Cut(master.Address(), ":")
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 "+port)
	b := newBroker(t, replica.URL())
	start(t, b)
	awaitHealth(t, b, ErrReadOnly)
	replica.Must(t, "REPLICAOF", "NO", "ONE")
	awaitHealth(t, b, nil)
}

// awaitHealth waits until a Broker says what is wrong with it.
func awaitHealth(t *testing.T, b *Broker, want error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		err := b.Health(t.Context())
		if want == nil && err == nil || want != nil && errors.Is(err, want) {
			return
		}
		if time.Since(began) > patience {
			t.Fatalf("health is %v, want %v", err, want)
		}
	}
}

// TestServerTooOld: a server older than 7.0 is refused by its name.
func TestServerTooOld(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	version := redis.Info(t, "redis_version")
	p := newProxy(t, redis.Address())
	old := "6" + version[1:]
	p.rewrite = [2]string{"redis_version:" + version, "redis_version:" + old}
	b := newBroker(t, p.url())
	start(t, b)
	awaitHealth(t, b, ErrVersion)
	if got := publish(b, hub.Message{Channel: "c"}); !errors.Is(got.Err, ErrAway) || !strings.Contains(got.Err.Error(), old) {
		t.Errorf("a publisher is told %v", got.Err)
	}
	p.set(func() { p.rewrite = [2]string{} }) // it was upgraded
	p.cut()
	awaitHealth(t, b, nil)
}

// TestReadAtNewMaster: a read is not answered in an epoch that has ended, also before anybody has
// published.
func TestReadAtNewMaster(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t, "--enable-debug-command", "yes")
	b := newBroker(t, redis.URL())
	start(t, b).listen("c")
	at := mustPublish(t, b, "c", "first")
	redis.Must(t, "DEBUG", "CHANGE-REPL-ID") // as a promotion does
	at.Offset++                              // of what only the old master had
	page, err := b.History(t.Context(), "c", hub.Query{Since: at})
	if err != nil || page.Gap == nil || page.Position.Epoch == at.Epoch {
		t.Errorf("what comes after %v is %+v, %v; want a gap to another epoch", at, page, err)
	}
}
