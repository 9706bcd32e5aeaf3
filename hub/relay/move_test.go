package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

const patience = 30 * time.Second

// follower is a client that is subscribed to a channel from its beginning on, and checks
// that it gets every publication once and in order.
type follower struct {
	session *hub.Session
	woken   chan struct{}
	done    chan error
}

// follow follows a channel until it has seen last.
func follow(h *hub.Hub, channel string, since hub.Position, last string) *follower {
	f := &follower{woken: make(chan struct{}, 1), done: make(chan error, 1)}
	var err error
	if f.session, err = h.Connect("test", func() {
		select {
		case f.woken <- struct{}{}:
		default:
		}
	}); err != nil {
		f.done <- err
		return f
	}
	f.session.Subscribe(1, channel, hub.SubscribeOptions{Since: since, Last: hub.NoLimit})
	go func() { f.done <- f.run(last) }()
	return f
}

func (f *follower) run(last string) error {
	defer f.session.Close()
	timeout := time.After(patience)
	var offset uint64
	for {
		pushes, err := f.session.Take(nil)
		if err != nil {
			return err
		}
		for _, p := range pushes {
			switch {
			case p.Gap != nil:
				return fmt.Errorf("a gap: %+v", *p.Gap)
			case p.Outcome != nil && p.Outcome.Err != nil:
				return p.Outcome.Err
			case p.Outcome != nil:
				offset = p.Outcome.Position.Offset
			case p.Delivery != nil && p.Delivery.Position.Offset != offset+1:
				return fmt.Errorf("%d after %d", p.Delivery.Position.Offset, offset)
			case p.Delivery != nil:
				offset++
				if string(p.Delivery.Data) == last {
					return nil
				}
			}
		}
		select {
		case <-f.woken:
		case <-timeout:
			return fmt.Errorf("nothing more came after %d", offset)
		}
	}
}

func newHub(t *testing.T, b *Broker) *hub.Hub {
	t.Helper()
	h, err := hub.New(b, &hub.Options{Retention: hub.Retention{Count: 1 << 20, Age: time.Hour}, QueueCountMax: 1 << 20, QueueBytesMax: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() }) // ErrClosed when the test did it
	return h
}

// Each publication, before, while and after the histories move, from either process,
// reaches every subscriber once and in order: subscribers that stay, and those that come
// back there with their position. A move that fails changes nothing.
func TestMoveUnderLoad(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprint("fails=", fails), func(t *testing.T) {
			const channels, publishers = 4, 4
			name := func(i int) string { return fmt.Sprint("c", i%channels) }
			from, to := fresh(t), fresh(t)
			old, next := newHub(t, from), newHub(t, to)
			var open atomic.Pointer[hub.Hub] // where publishers go
			open.Store(old)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var count atomic.Int64
			for i := range publishers {
				wg.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						default:
						}
						h := old
						if i%2 == 0 {
							h = open.Load()
						}
						m := hub.Message{Channel: name(i + n), Data: fmt.Append(nil, i, " ", n), IdempotencyKey: fmt.Sprint(i, " ", n)}
						pos, _, err := h.Publish(t.Context(), m)
						if err != nil {
							t.Error("Publish:", err)
							return
						}
						if n%50 == 0 { // again, where the others are by then
							again, duplicate, err := open.Load().Publish(t.Context(), m)
							if err != nil || !duplicate || again != pos {
								t.Errorf("%v, %v, %v: it was published as %v", again, duplicate, err, pos)
							}
						}
						count.Add(1)
					}
				})
			}
			var followers []*follower
			for i := range 3 * channels {
				followers = append(followers, follow(old, name(i), hub.Position{}, "end"))
			}
			for count.Load() < 2000 {
				pause(t)
			}
			if fails {
				for range 3 {
					m, err := from.Move()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := from.Move(); err != ErrMoving {
						t.Error(err)
					}
					if err := errors.Join(m.WriteBulk(io.Discard), m.Freeze(context.Background()), m.WriteRest(io.Discard)); err != nil {
						t.Error(err)
					}
					late := follow(old, "late", hub.Position{}, "end")
					followers = append(followers, late)
					m.Abort()
					m.Abort() // does nothing
				}
				if !from.IsImmediate() {
					t.Error("it still may wait")
				}
			} else {
				if _, _, err := move(from, to); err != nil {
					t.Fatal(err)
				}
				if _, err := from.Move(); err != ErrMoved {
					t.Error(err)
				}
				open.Store(next)
				for i := range channels {
					followers = append(followers, follow(next, name(i), hub.Position{}, "end"), follow(old, name(i), hub.Position{}, "end"))
				}
			}
			for more := count.Load() + 2000; count.Load() < more; {
				pause(t)
			}
			close(stop)
			wg.Wait()
			for _, channel := range []string{"c0", "c1", "c2", "c3", "late"} {
				if _, _, err := open.Load().Publish(t.Context(), hub.Message{Channel: channel, Data: []byte("end")}); err != nil {
					t.Error(err)
				}
			}
			for i, f := range followers {
				if err := <-f.done; err != nil {
					t.Errorf("follower %d: %v", i, err)
				}
			}
		})
	}
}

// pause lets others run, and fails when the test has taken too long.
func pause(t *testing.T) {
	t.Helper()
	if t.Failed() {
		t.FailNow()
	}
	<-time.After(time.Millisecond)
}

// A publication while the histories are on their way waits, is not refused, and goes
// where they go.
func TestPublishWhileFrozen(t *testing.T) {
	for _, commits := range []bool{true, false} {
		from, to := started(t, receiver{}), started(t, receiver{})
		m, err := transfer(from, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		outcomes := make(chan hub.Published, 3)
		for i := range uint64(3) {
			from.Publish(hub.Message{Channel: "c", Data: []byte("x")}, hub.Retention{Count: 9, Age: time.Hour}, outcome(outcomes), i)
		}
		listened := make(chan error, 1)
		go func() {
			top, err := from.Listen(context.Background(), "c")
			if err == nil && top.Epoch == "" {
				err = fmt.Errorf("it begins at %v", top)
			}
			listened <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := from.Listen(ctx, "d"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		if len(outcomes) > 0 {
			t.Error("something was published")
		}
		if commits {
			here, there := pipe()
			if _, err := to.Host(there); err != nil {
				t.Fatal(err)
			}
			if _, err := to.Host(nopConn{}); !errors.Is(err, ErrHosting) {
				t.Error(err)
			}
			m.Commit(here)
		} else {
			m.Abort()
		}
		for i := range uint64(3) {
			if p := <-outcomes; p.Err != nil || p.Position.Offset != i+1 {
				t.Errorf("%+v", p)
			}
		}
		if err := <-listened; err != nil {
			t.Error(err)
		}
	}
}

// nopConn is a connection of no use.
type nopConn struct{}

func (nopConn) Read([]byte) (int, error)    { return 0, io.EOF }
func (nopConn) Write(p []byte) (int, error) { return len(p), nil }
func (nopConn) Close() error                { return nil }

type outcome chan hub.Published

func (o outcome) Published(_ uint64, p hub.Published) { o <- p }

// When the other process goes, all waiting calls have an answer, and so have later ones.
func TestGone(t *testing.T) {
	from, to := started(t, receiver{}), started(t, receiver{})
	gone, left, err := move(from, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := from.Listen(t.Context(), "c"); err != nil {
		t.Error(err)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
	<-gone
	<-left
	o := make(outcome, 1)
	from.Publish(hub.Message{Channel: "c"}, hub.Retention{}, o, 1)
	if p := <-o; p.Err != ErrGone {
		t.Error(p)
	}
	if _, err := from.History(t.Context(), "c", hub.Query{}); err != ErrGone {
		t.Error(err)
	}
	if err := from.Health(t.Context()); err != ErrGone {
		t.Error(err)
	}
}

// When the guest goes, what only it has listened to is forgotten.
func TestGuestLeaves(t *testing.T) {
	from, to := started(t, receiver{}), started(t, receiver{})
	for i := range 5 {
		if _, err := from.Listen(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	_, left, err := move(from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, channel := range []string{"0", "ours"} {
		if _, err := to.Listen(t.Context(), channel); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Mute(t.Context(), "4"); err != nil {
		t.Error(err)
	}
	if n := to.Stats().Channels; n != 5 {
		t.Errorf("%d channels", n)
	}
	if err := from.Close(); err != nil {
		t.Error(err)
	}
	<-left
	if n := to.Stats().Channels; n != 2 {
		t.Errorf("%d channels, want those that are listened to here", n)
	}
	if err := errors.Join(to.Mute(t.Context(), "0"), to.Mute(t.Context(), "ours")); err != nil || to.Stats().Channels != 0 {
		t.Error(err, to.Stats())
	}
}

// A list that is filtered here is asked for in pages.
func TestList(t *testing.T) {
	from, to := started(t, receiver{}), started(t, receiver{})
	const n = 2*listPage + 10
	o := make(outcome, 1)
	for i := range n {
		from.Publish(hub.Message{Channel: fmt.Sprintf("%05d", i)}, hub.Retention{Count: 1, Age: time.Hour}, o, 1)
		<-o
	}
	if _, _, err := move(from, to); err != nil {
		t.Fatal(err)
	}
	list, err := from.List(t.Context(), hub.ListQuery{Limit: n + 1})
	if err != nil || len(list) != n || list[n-1].Name != fmt.Sprintf("%05d", n-1) || list[0].Publications != 1 {
		t.Errorf("%d channels, %v", len(list), err)
	}
	last := func(name string) bool { return name >= fmt.Sprintf("%05d", n-3) }
	if list, err = from.List(t.Context(), hub.ListQuery{Limit: 2, Match: last}); err != nil || len(list) != 2 || list[0].Name != fmt.Sprintf("%05d", n-3) {
		t.Errorf("%v, %v", list, err)
	}
}
