package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
)

// TestAsk: the answer of a handler arrives, of any length, and so does its error.
func TestAsk(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		asker, other := nodes[0], nodes[1]
		other.Handle("echo", func(_ context.Context, from string, data []byte) ([]byte, error) {
			if from != asker.ID() {
				t.Errorf("the request is from %q", from)
			}
			return bytes.Repeat(data, 3), nil
		})
		other.Handle("fail", func(context.Context, string, []byte) ([]byte, error) { return []byte("x"), errors.New("no such thing") })
		other.Handle("empty error", func(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("") })
		other.Handle("panic", func(context.Context, string, []byte) ([]byte, error) { panic("on purpose") })
		other.Handle("long", func(context.Context, string, []byte) ([]byte, error) {
			return make([]byte, cluster.AnswerBytesMax+1), nil
		})
		other.Handle("slow", func(ctx context.Context, _ string, _ []byte) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() })

		for _, length := range []int{0, 1, cluster.DataBytesMax/3 + 1, cluster.DataBytesMax} {
			data := bytes.Repeat([]byte("abc\n"), length/4+1)[:length]
			got, err := asker.Ask(b.t.Context(), other.ID(), "echo", data)
			if err != nil || !bytes.Equal(got, bytes.Repeat(data, 3)) {
				t.Errorf("of %d bytes come back %d, %v", 3*length, len(got), err)
			}
		}
		remote := func(err error, text string) bool {
			var of *cluster.RemoteError
			return errors.As(err, &of) && of.Node == other.ID() && of.Text == text
		}
		for kind, is := range map[string]func(error) bool{
			"fail":        func(err error) bool { return remote(err, "no such thing") },
			"empty error": func(err error) bool { return remote(err, "no reason was given") },
			"panic":       func(err error) bool { return remote(err, "the handler panicked") },
			"long":        func(err error) bool { return errors.Is(err, cluster.ErrTooLong) },
			"nothing":     func(err error) bool { return errors.Is(err, cluster.ErrUnknownKind) },
		} {
			if data, err := asker.Ask(b.t.Context(), other.ID(), kind, nil); !is(err) || data != nil {
				t.Errorf("%s: %q, %v", kind, data, err)
			}
		}
		begun := time.Now()
		if _, err := asker.Ask(b.t.Context(), other.ID(), "slow", nil); !errors.Is(err, cluster.ErrUnanswered) && !remote(err, "context deadline exceeded") {
			t.Errorf("slow: %v", err)
		}
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("it was waited for %v", took)
		}
		ctx, cancel := context.WithCancel(b.t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := asker.Ask(ctx, other.ID(), "slow", nil); !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		if _, err := asker.Ask(b.t.Context(), other.ID(), "echo", make([]byte, cluster.DataBytesMax+1)); !errors.Is(err, cluster.ErrTooLong) {
			t.Errorf("too much: %v", err)
		}
		other.Handle("echo", nil)
		if _, err := asker.Ask(b.t.Context(), other.ID(), "echo", nil); !errors.Is(err, cluster.ErrUnknownKind) {
			t.Errorf("after the handler has gone: %v", err)
		}
		if s := asker.Stats(); s.Asking != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestAskAll: each of the others answers, or the error says why not; a node that dies is not
// waited for.
func TestAskAll(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(4)
		for _, n := range nodes {
			n.Handle("name", func(context.Context, string, []byte) ([]byte, error) { return []byte(n.Self().Name), nil })
		}
		nodes[2].Handle("name", nil)
		nodes[3].Close()
		begun := time.Now()
		answers, err := nodes[0].AskAll(b.t.Context(), "name", nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range answers {
			got = append(got, fmt.Sprintf("%s: %q %v", a.Peer.Name, a.Data, a.Err))
		}
		slices.Sort(got)
		if want := []string{
			`b: "b" <nil>`, `c: "" cluster: the other node does not know what is asked`, `d: "" cluster: the other node did not answer in time`,
		}; !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
		if took := time.Since(begun); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		answers, err = nodes[0].AskAll(b.t.Context(), "name", nil) // d dies meanwhile
		if took := time.Since(begun); err != nil || len(answers) != 3 || took > 9*time.Second {
			t.Errorf("until d was dead it took %v: %+v, %v", took, answers, err)
		}
		for _, a := range answers {
			if a.Peer.Name == "d" && !errors.Is(a.Err, cluster.ErrUnknownNode) {
				t.Errorf("of d that has died: %v", a.Err)
			}
		}
		if answers, err = nodes[0].AskAll(b.t.Context(), "name", nil); err != nil || len(answers) != 2 {
			t.Errorf("of those that are left: %+v, %v", answers, err)
		}
	})
}

// TestAskBounds: so many requests wait, and no more.
func TestAskBounds(t *testing.T) {
	inBubble(t, func(b *bus) {
		asker := b.join("asker", cluster.Options{AsksMax: 40})
		other := b.join("other", cluster.Options{HandlersMax: 2})
		<-asker.Joined()
		<-other.Joined()
		running, most := 0, 0
		var mu sync.Mutex
		goOn := make(chan struct{})
		other.Handle("wait", func(context.Context, string, []byte) ([]byte, error) {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-goOn
			mu.Lock()
			running--
			mu.Unlock()
			return nil, nil
		})
		var wg sync.WaitGroup
		errs := make(chan error, 50)
		for range 50 {
			wg.Go(func() {
				_, err := asker.Ask(b.t.Context(), other.ID(), "wait", nil)
				errs <- err
			})
		}
		synctest.Wait()
		if got := len(errs); got != 50-22 { // 10 beyond AsksMax, and 40 - 2 - 20
			t.Errorf("%d requests were refused at once, want 28", got)
		}
		close(goOn)
		wg.Wait()
		close(errs)
		counts := make(map[error]int)
		for err := range errs {
			counts[err]++
		}
		if counts[nil] != 22 || counts[cluster.ErrBusy] != 28 || most != 2 {
			t.Errorf("the outcomes are %v, and %d handlers ran at once", counts, most)
		}
	})
}

// TestAnswerLost: a part of an answer that is lost is an error, and not a shorter answer.
func TestAnswerLost(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		nodes[1].Handle("long", func(context.Context, string, []byte) ([]byte, error) {
			return make([]byte, 3*cluster.DataBytesMax), nil
		})
		var parts atomic.Int32
		nodes[0].broker.Trouble(brokertest.BusTrouble{Lose: func(_ *brokertest.SharedBroker, topic string, data []byte) bool {
			return len(data) > 100_000 && parts.Add(1) == 2
		}})
		if _, err := nodes[0].Ask(b.t.Context(), nodes[1].ID(), "long", nil); !errors.Is(err, cluster.ErrLost) {
			t.Errorf("without its second part the answer is %v", err)
		}
	})
}

// TestTell: messages told come to all other nodes, in order, and losses are announced.
func TestTell(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(3)
		for _, n := range nodes {
			n.HandleTold("news", func(from string, data []byte) {
				if from != nodes[0].ID() {
					t.Errorf("it is from %q", from)
				}
				n.note("%s", data)
			})
		}
		tell := func(texts ...string) {
			t.Helper()
			for _, text := range texts {
				if err := nodes[0].Tell("news", []byte(text)); err != nil {
					t.Error(err)
				}
			}
		}
		tell("1", "2")
		if err := nodes[0].Tell("olds", nil); err != nil {
			t.Error(err)
		}
		tell("3")
		nodes[0].want()
		nodes[1].want("1", "2", "3")

		var losing atomic.Bool
		losing.Store(true)
		nodes[1].broker.Trouble(brokertest.BusTrouble{Lose: func(*brokertest.SharedBroker, string, []byte) bool { return losing.Load() }})
		tell("4")
		losing.Store(false)
		tell("5")
		nodes[1].want("missed a", "5")
		losing.Store(true)
		tell("6")
		losing.Store(false)
		nodes[1].want()
		pass(2 * time.Second) // the next beat says it
		nodes[1].want("missed a")
		nodes[2].want("1", "2", "3", "4", "5", "6")
		tell("7")
		nodes[1].want("7")
		if err := nodes[0].Tell("news", make([]byte, cluster.DataBytesMax+1)); !errors.Is(err, cluster.ErrTooLong) {
			t.Errorf("Tell of too much: %v", err)
		}
	})
}

// TestToldBytes: what waits for a handler that is slow has a bound.
func TestToldBytes(t *testing.T) {
	inBubble(t, func(b *bus) {
		from := b.join("from", cluster.Options{})
		slow := b.join("slow", cluster.Options{ToldBytesMax: 10_000})
		<-from.Joined()
		<-slow.Joined()
		goOn := make(chan struct{})
		slow.HandleTold("k", func(_ string, data []byte) {
			slow.note("%s", strings.TrimRight(string(data), " "))
			<-goOn
		})
		slow.take()
		for i := range 20 {
			if err := from.Tell("k", fmt.Appendf(nil, "%-2000d", i)); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		close(goOn)
		slow.want("0", "1", "2", "3", "4", "missed")
		if err := from.Tell("k", []byte("end")); err != nil {
			t.Error(err)
		}
		slow.want("end")
	})
}

// TestNote: what comes with every beat is handed on, after its node has joined.
func TestNote(t *testing.T) {
	inBubble(t, func(b *bus) {
		hears := b.join("hears", cluster.Options{})
		<-hears.Joined()
		hears.HandleNote(func(_ string, note []byte) { hears.note("%s", note) })
		note := byte('0')
		notes := b.join("notes", cluster.Options{ID: "NOTES", Note: func() []byte { note++; return []byte{note} }})
		if notes.ID() != "NOTES" {
			t.Errorf("its ID is %q", notes.ID())
		}
		hears.want("joined notes", "1")
		pass(4 * time.Second)
		if got := hears.take(); len(got) < 2 || slices.Contains(got, "1") {
			t.Errorf("two beats later it was told %q", got)
		}
	})
}

// TestHandlerPanics: the panic of a handler of told messages is logged, and the next handler
// is called.
func TestHandlerPanics(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		nodes[1].HandleTold("k", func(_ string, data []byte) {
			if len(data) == 0 {
				panic("on purpose")
			}
			nodes[1].note("%s", data)
		})
		for _, text := range []string{"", "x"} {
			if err := nodes[0].Tell("k", []byte(text)); err != nil {
				t.Error(err)
			}
		}
		nodes[1].want("x")
	})
}
