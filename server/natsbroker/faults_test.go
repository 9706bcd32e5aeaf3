package natsbroker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/natstest"
)

// The tests in this file are rows of the table of faults in docs/broker-nats.md, and are
// named there.

// load publishes in channels until fault has returned, and judges what followers got.
func load(t *testing.T, b *Broker, all []*follower, fault func()) (gaps int) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var publishers []*publisher
	for _, f := range all {
		p := newPublisher(b, f.channel)
		p.mayRepeat = true
		publishers = append(publishers, p)
		wg.Go(func() { p.run(t, stop) })
	}
	for _, f := range all {
		f.await(t, "the load to begin", func(got []int) bool { return len(got) > 100 })
	}
	fault()
	for _, f := range all {
		f.mu.Lock()
		n := len(f.got)
		f.mu.Unlock()
		f.await(t, "the load to go on", func(got []int) bool { return len(got) > n+100 })
	}
	close(stop)
	wg.Wait()
	for i, f := range all {
		gaps += publishers[i].judge(t, f)
	}
	return gaps
}

// leader is the server that leads the stream now.
func leader(t *testing.T, b *Broker, c *natstest.Cluster) *natstest.Server {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		ctx, cancel := context.WithTimeout(t.Context(), requestTime)
		s, err := b.js.Stream(ctx, b.names.stream)
		cancel()
		if err == nil && s.CachedInfo().Cluster != nil {
			if named := c.Named(s.CachedInfo().Cluster.Leader); named != nil {
				return named
			}
		}
	}
	t.Fatal("the stream has no leader")
	return nil
}

// awaitReplicas waits until all servers have all there is: a replica in memory begins with
// nothing when it comes back.
func awaitReplicas(t *testing.T, b *Broker) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		isCurrent := true
		for _, name := range []string{b.names.stream, "KV_" + b.names.bucket} {
			ctx, cancel := context.WithTimeout(t.Context(), requestTime)
			s, err := b.js.Stream(ctx, name)
			cancel()
			if err != nil || s.CachedInfo().Cluster == nil || s.CachedInfo().Cluster.Leader == "" || len(s.CachedInfo().Cluster.Replicas) != 2 {
				isCurrent = false
				break
			}
			for _, replica := range s.CachedInfo().Cluster.Replicas {
				isCurrent = isCurrent && replica.Current && !replica.Offline
			}
		}
		if isCurrent {
			return
		}
	}
	t.Fatal("the replicas do not catch up")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func needsThree(t *testing.T) *natstest.Cluster {
	t.Helper()
	t.Parallel() // they wait for elections most of the time
	if testing.Short() {
		t.Skip("three servers take seconds to elect a leader")
	}
	return natstest.StartCluster(t, 3)
}

func TestLeaderIsKilled(t *testing.T) {
	c := needsThree(t)
	b, all := startBroker(t, Options{URLs: c.URLs()}, "a", "b/c")
	gaps := load(t, b, all, func() {
		for range 2 {
			s := leader(t, b, c)
			must(t, s.Kill())
			newPublisher(b, "elsewhere").succeed(t)
			must(t, s.Start())
			awaitReplicas(t, b)
		}
	})
	if gaps > 0 {
		t.Errorf("%d gaps, and three replicas lose nothing", gaps)
	}
}

func TestServerIsStopped(t *testing.T) {
	c := needsThree(t)
	b, all := startBroker(t, Options{URLs: c.URLs()}, "a", "b/c")
	gaps := load(t, b, all, func() {
		s := leader(t, b, c)
		must(t, s.Pause())
		defer func() { must(t, s.Resume()) }()
		newPublisher(b, "elsewhere").succeed(t)
	})
	if gaps > 0 {
		t.Errorf("%d gaps, and three replicas lose nothing", gaps)
	}
}

func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{})
	p := newProxy(t, s.Address())
	o := Options{URLs: []string{p.url()}, Prefix: "cut"}
	b, all := startBroker(t, o, "a", "b/c", "d")
	// Another node publishes in a channel while the first one is away, and nothing after that.
	far, _ := startBroker(t, Options{URLs: []string{s.URL()}, Prefix: "cut"})
	quiet := newPublisher(far, "d")
	gaps := load(t, b, all[:2], func() {
		for range 5 {
			p.cut(true)
			n := quiet.succeed(t)
			p.open()
			all[2].await(t, "what was published while its connection was cut", has(n))
		}
	})
	gaps += quiet.judge(t, all[2])
	if gaps > 0 {
		t.Errorf("%d gaps, and a connection that is made again loses nothing", gaps)
	}
}

// What was published while the connection was cut is not held any more when it is made
// again: that is a gap, also if the next publication names none before it.
func TestHistoryGoesMeanwhile(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{})
	wire := newProxy(t, s.Address())
	o := Options{Prefix: "goes", HistoryBytesMax: 1 << 20}
	o.URLs = []string{wire.url()}
	_, all := startBroker(t, o, "a")
	o.URLs = []string{s.URL()}
	far, _ := startBroker(t, o)
	p, other := newPublisher(far, "a"), newPublisher(far, "other")
	for round := range 2 {
		n := p.succeed(t)
		all[0].await(t, "what was published before", has(n))
		wire.cut(true)
		p.succeed(t)
		for range 25_000 { // more than the stream has room for
			other.publish(t, 1000)
		}
		other.await(t, 0)
		wire.open()
		if gaps := p.judge(t, all[0]); gaps != round+1 {
			t.Errorf("%d gaps after %d losses", gaps, round+1)
		}
	}
}

func TestStreamIsDeleted(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{})
	b, all := startBroker(t, Options{URLs: []string{s.URL()}}, "a", "b/c")
	gaps := load(t, b, all, func() { must(t, b.js.DeleteStream(t.Context(), b.names.stream)) })
	wantNewEpoch(t, all, gaps)
}

func TestMemoryServerRestarts(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	b, all := startBroker(t, Options{URLs: []string{s.URL()}}, "a", "b/c")
	gaps := load(t, b, all, func() {
		must(t, s.Kill())
		must(t, s.Start())
	})
	wantNewEpoch(t, all, gaps)
}

// wantNewEpoch checks that what was lost was announced, once.
func wantNewEpoch(t *testing.T, all []*follower, gaps int) {
	t.Helper()
	if gaps != len(all) {
		t.Errorf("%d followers have %d gaps, want one each", len(all), gaps)
	}
	for _, f := range all {
		if len(f.epochs) != 2 {
			t.Errorf("the follower of %s has seen the epochs %q, want two", f.channel, f.epochs)
		}
	}
}

// The stream loses its end, and gives its numbers to others.
func TestEndIsLost(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	o := Options{URLs: []string{s.URL()}, Storage: StorageFile, Prefix: "end"}
	b, all := startBroker(t, o, "a")
	p := newPublisher(b, "a")
	for range 50 {
		p.succeed(t)
	}
	must(t, s.Stop())
	saved := filepath.Join(t.TempDir(), "saved")
	must(t, os.CopyFS(saved, os.DirFS(s.StoreDir())))
	must(t, s.Start())
	for range 50 {
		p.succeed(t)
	}
	all[0].await(t, "what will be lost", has(p.sent-1))
	old := all[0].position()
	must(t, s.Kill())
	must(t, os.RemoveAll(s.StoreDir()))
	must(t, os.CopyFS(s.StoreDir(), os.DirFS(saved)))
	must(t, s.Start())
	for range 60 {
		p.succeed(t)
	}
	gaps := p.judge(t, all[0])
	wantNewEpoch(t, all, gaps)
	// Another node, too, takes the position for none of this epoch.
	other, _ := startBroker(t, o)
	page, err := other.History(t.Context(), "a", hub.Query{Since: old})
	must(t, err)
	if page.Gap == nil {
		t.Errorf("a node that came later resumes %v without a gap, and ends at %v", old, page.Position)
	}
}

// An acknowledged publication is read at once, whichever server one is connected to.
func TestFollowersAreBehind(t *testing.T) {
	c := needsThree(t)
	var brokers []*Broker
	for _, url := range c.URLs() {
		b, _ := startBroker(t, Options{URLs: []string{url}, Prefix: "behind"})
		brokers = append(brokers, b)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, b := range brokers {
		_, err := b.await(ctx) // elections may take longer than it is waited for a broker that is away
		must(t, err)
	}
	p := newPublisher(brokers[0], "a")
	since := listen(t, brokers[0], "a")
	for range 200 {
		n := p.succeed(t)
		for i, b := range brokers {
			page, err := b.History(t.Context(), "a", hub.Query{Since: since})
			must(t, err)
			if len(page.Publications) != 1 || page.Gap != nil || page.Position != p.outcomes[n].Position {
				t.Fatalf("at server %d the history since %v has %d publications up to %v, gap %v; want the one at %v", i+1, since, len(page.Publications), page.Position, page.Gap, p.outcomes[n].Position)
			}
		}
		since = p.outcomes[n].Position
	}
}

// A position that is ahead of what is read is compared with what the stream has proven
// to have, and is a gap only then; that it is shown often costs little.
func TestPositionIsAhead(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	b, _ := startBroker(t, Options{URLs: []string{s.URL()}})
	p := newPublisher(b, "a")
	top := p.outcomes[p.succeed(t)].Position
	for _, channel := range []string{"a", "none"} {
		for ahead := range uint64(5) {
			since := hub.Position{Epoch: top.Epoch, Offset: top.Offset + 1000 + ahead}
			page, err := b.History(t.Context(), channel, hub.Query{Since: since})
			must(t, err)
			if page.Gap == nil || page.Position.Offset >= since.Offset {
				t.Errorf("%s since %v ends at %v, and has no gap", channel, since, page.Position)
			}
		}
	}
	if n := b.era.Load().known.Load() - top.Offset; n > 20 {
		t.Errorf("10 positions have put %d beacons into the stream", n)
	}
}

// Nodes that see the same loss agree about the epoch that begins.
func TestNodesChangeTheEpoch(t *testing.T) {
	const nodes = 8
	s := natstest.Start(t, natstest.Config{})
	var brokers []*Broker
	var all []*follower
	for range nodes {
		b, f := startBroker(t, Options{URLs: []string{s.URL()}, Prefix: "nodes"}, "a")
		brokers, all = append(brokers, b), append(all, f...)
	}
	p := newPublisher(brokers[0], "a")
	last := p.succeed(t)
	for _, f := range all {
		f.await(t, "the first", has(last))
	}
	must(t, s.Kill())
	must(t, s.Start())
	for _, f := range all {
		if gaps := p.judge(t, f); gaps != 1 {
			t.Errorf("%d gaps, want one", gaps)
		}
	}
	epoch := all[0].position().Epoch
	for i, f := range all {
		if f.position().Epoch != epoch || len(f.epochs) > 2 {
			t.Errorf("node %d is in the epochs %q, and the first one in %q", i, f.epochs, epoch)
		}
	}
}

// The answer is lost, and the publication is not: it is there once, and its publisher is told where.
func TestAnswerIsLost(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	wire := newProxy(t, s.Address())
	o := Options{URLs: []string{wire.url()}, Prefix: "answer"}
	b, _ := startBroker(t, o)
	_, all := startBroker(t, Options{URLs: []string{s.URL()}, Prefix: "answer"}, "a")
	p := newPublisher(b, "a")
	p.succeed(t)
	wire.deafen()
	n := p.publish(t, 1)
	all[0].await(t, "what was published", has(n)) // it was stored
	wire.hear()
	p.await(t, 0)
	p.mu.Lock()
	o1 := p.outcomes[n]
	p.mu.Unlock()
	if o1.Err != nil || o1.Duplicate || o1.Position != all[0].position() {
		t.Errorf("the outcome is %+v, want %v", o1, all[0].position())
	}
	if gaps := p.judge(t, all[0]); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
}

// Everything that is published to a pattern while the connection is cut comes, also in
// channels that were never heard of, and also when the numbers have begun anew since the
// pattern was looked at.
func TestPatternsAreRepaired(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	wire := newProxy(t, s.Address())
	o := Options{URLs: []string{s.URL()}, Prefix: "pattern"}
	far, _ := startBroker(t, o)
	before := newPublisher(far, "old/c")
	for range 100 {
		before.succeed(t)
	}
	o.URLs = []string{wire.url()}
	b := newBroker(t, o)
	got := make(chan *hub.Publication, 100)
	must(t, b.Start(receiverFunc(func(p *hub.Publication) { got <- p })))
	defer func() { must(t, b.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must(t, b.ListenPattern(ctx, "new/*"))
	cut := func(prefix string) {
		t.Helper()
		wire.cut(true)
		for _, channel := range []string{prefix + "a", prefix + "b", "old/c", prefix + "a"} {
			newPublisher(far, channel).succeed(t)
		}
		wire.open()
		counts := make(map[string]int)
		for range 3 {
			select {
			case p := <-got:
				counts[p.Channel]++
			case <-ctx.Done():
				t.Fatalf("only %v came", counts)
			}
		}
		if counts[prefix+"a"] != 2 || counts[prefix+"b"] != 1 {
			t.Errorf("delivered %v", counts)
		}
	}
	cut("new/")
	old := b.era.Load()
	must(t, s.Kill())
	must(t, s.Start())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ; b.era.Load().epoch == old.epoch || b.isDoubted(); <-tick.C {
		must(t, ctx.Err())
	}
	cut("new/x")
}

// A hundred thousand channels are listened to by a node that loses its connection.
// Meanwhile something is published in a hundredth of them, and nothing after that.
func TestManyChannelsAcrossAReconnect(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 subscriptions take seconds")
	}
	const channels, published = 100_000, 1_000
	s := natstest.Start(t, natstest.Config{})
	wire := newProxy(t, s.Address())
	b := newBroker(t, Options{URLs: []string{wire.url()}, Prefix: "many"})
	var mu sync.Mutex
	got := make(map[string]int)
	all := make(chan struct{})
	must(t, b.Start(receiverFunc(func(p *hub.Publication) {
		mu.Lock()
		defer mu.Unlock()
		if got[p.Channel]++; len(got) == published {
			close(all)
		}
	})))
	defer func() { must(t, b.Close()) }()
	name := func(i int) string { return fmt.Sprint("room/", i) }

	begin, before := time.Now(), heapInUse()
	var wg sync.WaitGroup
	for w := range 64 { // as many as the hub asks at a time
		wg.Go(func() {
			for i := w; i < channels; i += 64 {
				if _, err := b.Listen(t.Context(), name(i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d channels are listened to after %v, in %d bytes each", channels, time.Since(begin), (heapInUse()-before)/channels)

	far, _ := startBroker(t, Options{URLs: []string{s.URL()}, Prefix: "many"})
	newPublisher(far, "elsewhere").succeed(t)
	wire.cut(true)
	var publishers []*publisher
	for i := range published {
		p := newPublisher(far, name(i*channels/published))
		p.publish(t, 1)
		publishers = append(publishers, p)
	}
	for _, p := range publishers {
		p.await(t, 0)
		if err := p.outcomes[0].Err; err != nil {
			t.Fatal(err)
		}
	}
	begin = time.Now()
	wire.open()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-all:
		t.Logf("everything that was missed has come %v after the server could be reached again", time.Since(begin))
	case <-timeout.C:
		mu.Lock()
		defer mu.Unlock()
		t.Fatalf("after %v %d of %d channels were delivered", patience, len(got), published)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

type receiverFunc func(*hub.Publication)

func (f receiverFunc) Receive(p *hub.Publication) { f(p) }
func (f receiverFunc) Lost(string)                {}
