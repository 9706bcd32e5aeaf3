package redisbroker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// serverOf is the server of a cluster that has a channel.
func serverOf(t *testing.T, b *Broker, c *redistest.Cluster, name string) *redistest.Server {
	t.Helper()
	be := b.backend.Load()
	be.mu.Lock()
	address := be.owners[be.partition(name).index].key
	be.mu.Unlock()
	i := slices.IndexFunc(c.Servers, func(s *redistest.Server) bool { return s.Address() == address })
	if i < 0 {
		t.Fatalf("no server is at %s", address)
	}
	return c.Servers[i]
}

// TestClusterServerKilled: only channels of the server that was killed begin again.
func TestClusterServerKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster takes seconds to serve again")
	}
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	s := start(t, newBroker(t, c.URLs()...))
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprint("room/", i))
	}
	s.listen(names...)
	l := startLoad(t, s.b, names...)
	l.awaitMore(t, 300)
	killed := serverOf(t, s.b, c, names[0])
	if err := killed.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	c.AwaitReady(t)
	l.awaitMore(t, 300)
	l.end(t, s)
	for name, of := range s.snapshot() {
		if isThere := serverOf(t, s.b, c, name) == killed; isThere != (of.gaps > 0) {
			t.Errorf("%s, on the server that was killed: %v, has %d gaps", name, isThere, of.gaps)
		}
	}
}

// TestSlotMoved: channels and their listeners follow a slot to another server.
func TestSlotMoved(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	s := start(t, newBroker(t, c.URLs()...))
	s.listen(someChannels...)
	if err := s.b.ListenPattern(t.Context(), "*"); err != nil {
		t.Fatal(err)
	}
	l := startLoad(t, s.b, someChannels...)
	l.awaitMore(t, 100)
	from := serverOf(t, s.b, c, "a")
	to := c.Servers[0]
	if to == from {
		to = c.Servers[1]
	}
	slot := strconv.Itoa(int(s.b.backend.Load().partition("a").slot))
	fromID, toID := from.Must(t, "CLUSTER", "MYID"), to.Must(t, "CLUSTER", "MYID")
	to.Must(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Must(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	host, port, _ := strings.Cut(to.Address(), ":")
	for {
		answer, err := from.Do("CLUSTER", "GETKEYSINSLOT", slot, "100")
		keys, _ := answer.([]any)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		command := []string{"MIGRATE", host, port, "", "0", "5000", "REPLACE", "KEYS"}
		for _, key := range keys {
			command = append(command, fmt.Sprint(key))
		}
		from.Must(t, command...)
	}
	for _, server := range []*redistest.Server{to, from, c.Servers[2]} {
		server.Must(t, "CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
	l.awaitMore(t, 100)
	l.end(t, s)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); serverOf(t, s.b, c, "a") != to; <-tick.C {
		if time.Since(began) > patience {
			t.Fatal("the channel is listened to where it was")
		}
	}
}

// permissions are those of docs/broker-redis.md.
var permissions = strings.Fields(`~g1:* &g1:* &g1:{*}:c:* +ping +hello +auth +select +role +client|setname +cluster|slots +cluster|shards +info
	+eval +evalsha +time +get +set +expire +xadd +xtrim +xrange +xrevrange +xinfo|stream +scan
	+publish +spublish +subscribe +unsubscribe +psubscribe +punsubscribe +ssubscribe +sunsubscribe`)

// TestPermissions: the rights that the documentation lists are enough for everything.
func TestPermissions(t *testing.T) {
	t.Parallel()
	for name, servers := range map[string][]*redistest.Server{
		"alone":   {redistest.Start(t)},
		"cluster": redistest.StartCluster(t, 3).Servers,
	} {
		t.Run(name, func(t *testing.T) {
			var urls []string
			for _, s := range servers {
				s.Must(t, append([]string{"ACL", "SETUSER", "godwit", "on", ">secret"}, permissions...)...)
				urls = append(urls, "redis://godwit:secret@"+s.Address())
			}
			b := newBroker(t, urls...)
			s := start(t, b)
			s.listen("a", "b")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := b.ListenPattern(ctx, "x/*"); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, b, "a", "1")
			mustPublish(t, b, "x/y", "1")
			s.awaitText("1", "a")
			heard := make(hearing, 1)
			stop, err := b.Hear(ctx, "topic", heard)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Send("topic", []byte("hello")); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-heard:
				if got != "hello" {
					t.Errorf("heard %q", got)
				}
			case <-ctx.Done():
				t.Error("nothing was heard")
			}
			stop()
			if infos, err := b.List(ctx, hub.ListQuery{Limit: 9}); err != nil || len(infos) != 2 {
				t.Errorf("List: %v, %v", infos, err)
			}
			if err := b.Clear(ctx, "a"); err != nil {
				t.Error(err)
			}
			if err := b.Mute(t.Context(), "a"); err != nil {
				t.Error(err)
			}
			if err := b.MutePattern(t.Context(), "x/*"); err != nil {
				t.Error(err)
			}
			awaitHealth(t, b, nil)
		})
	}
}

type hearing chan string

func (h hearing) Heard(data []byte) { h <- string(data) }
func (h hearing) Missed()           {}

// TestManyChannelsAcrossReconnect: everybody is where they were after connections broke, and
// what was published meanwhile has come.
func TestManyChannelsAcrossReconnect(t *testing.T) {
	if testing.Short() {
		t.Skip("it listens to very many channels")
	}
	channels := 100_000
	if raceEnabled {
		channels = 10_000 // so that it takes seconds
	}
	redis := redistest.Start(t)
	p := newProxy(t, redis.Address())
	s := start(t, newBroker(t, p.url()))
	other := newBroker(t, redis.URL())
	start(t, other)
	name := func(i int) string { return fmt.Sprint("room/", i) }
	began := time.Now()
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			for i := worker; i < channels; i += 64 {
				s.listen(name(i))
			}
		})
	}
	wg.Wait()
	t.Logf("%d channels are listened to after %v", channels, time.Since(began).Round(time.Millisecond))
	p.set(func() { p.refused = true })
	p.cut()
	const published = 1000
	var names []string
	for i := range published {
		names = append(names, name(i*(channels/published)))
		mustPublish(t, other, names[i], "meanwhile")
	}
	began = time.Now()
	p.set(func() { p.refused = false })
	all := s.awaitText("meanwhile", names...)
	t.Logf("the %d that had something have it after %v", published, time.Since(began).Round(time.Millisecond))
	for _, of := range all {
		if of.gaps > 0 {
			t.Fatal("a gap, and nothing was lost")
		}
	}
	// Everything goes on.
	for _, n := range names {
		mustPublish(t, other, n, "after")
	}
	s.awaitText("after", names...)
	t.Logf("everything goes on after %v", time.Since(began).Round(time.Millisecond))
}
