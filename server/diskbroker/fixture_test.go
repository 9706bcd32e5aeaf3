package diskbroker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// patience is how long something may take before it is called lost.
const patience = 60 * time.Second

var plenty = hub.Retention{Count: 100_000, Age: time.Hour}

// fixture is a directory, the Broker that has it, and what was acknowledged in it.
type fixture struct {
	t       testing.TB
	options Options
	boot    string
	logged  lockedBuffer
	*Broker
	truth map[string][]sent // by channel, in order
}

// sent is a publication that was acknowledged.
type sent struct {
	hub.Position
	data string
}

func newFixture(t testing.TB, change func(*Options)) *fixture {
	f := &fixture{t: t, boot: "one", truth: make(map[string][]sent)}
	f.options = Options{Dir: filepath.Join(t.TempDir(), "data"), boot: func() string { return f.boot }}
	f.options.Logger = slog.New(slog.NewTextHandler(&f.logged, nil))
	if change != nil {
		change(&f.options)
	}
	f.open()
	t.Cleanup(func() { _ = f.Broker.Close() }) // ErrClosed when the test did it
	return f
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open opens the directory with another Broker.
func (f *fixture) open() {
	f.t.Helper()
	b, err := New(&f.options)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := b.Start(nobody{}); err != nil {
		_ = b.Close()
		f.t.Fatal(err)
	}
	f.Broker = b
}

// crash is kill -9: nothing is written any more, and nothing that was is lost.
func (b *Broker) crash() {
	b.life.Lock()
	defer b.life.Unlock()
	b.stateOf.stop()
	b.journal.stop(hub.ErrClosed)
	if b.isOpen {
		b.isOpen = false
		_ = b.journal.log.abandon()
	}
	b.release()
}

// kill crashes the Broker, and closes the rest of it.
func (f *fixture) kill() {
	f.crash()
	_ = f.Broker.Close()
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Broker.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// answer is a Completer for one publication.
type answer chan hub.Published

func (a answer) Published(_ uint64, p hub.Published) { a <- p }

func (f *fixture) put(m hub.Message, r hub.Retention) hub.Published {
	f.t.Helper()
	a := make(answer, 1)
	f.Publish(m, r, a, 0)
	select {
	case p := <-a:
		return p
	case <-time.After(patience):
		f.t.Fatalf("there was no answer within %v", patience)
		return hub.Published{}
	}
}

// publish publishes with plenty and notes what was acknowledged.
func (f *fixture) publish(channel string, data ...string) {
	f.t.Helper()
	for _, d := range data {
		p := f.put(hub.Message{Channel: channel, Data: []byte(d)}, plenty)
		if p.Err != nil {
			f.t.Fatal(p.Err)
		}
		f.truth[channel] = append(f.truth[channel], sent{p.Position, d})
	}
}

func (f *fixture) page(channel string, q hub.Query) hub.Page {
	f.t.Helper()
	page, err := f.History(context.Background(), channel, q)
	if err != nil {
		f.t.Fatal(err)
	}
	return page
}

// check holds the Broker to what was acknowledged: to a client that has seen everything up to a position, and
// reads what came after that, nothing is missing, or it is told of a gap, and everything it is given is what was published
// there. It returns how many were told of a gap.
func (f *fixture) check() (gaps int) {
	f.t.Helper()
	for channel, all := range f.truth {
		for i, seen := range all {
			page := f.page(channel, hub.Query{Since: seen.Position})
			if page.Gap != nil {
				gaps++
			}
			rest := all[i+1:]
			if page.Gap == nil && len(page.Publications) != len(rest) {
				f.t.Fatalf("%s: after %v of %d there are %d publications and no gap, want %d", channel, seen.Position, len(all), len(page.Publications), len(rest))
			}
			f.checkPage(channel, page, rest)
		}
		f.checkPage(channel, f.page(channel, hub.Query{}), all)
	}
	return gaps
}

// checkPage checks that the entries of a page are in want, in this order.
func (f *fixture) checkPage(channel string, page hub.Page, want []sent) {
	f.t.Helper()
	all := f.truth[channel]
	if page.Gap != nil {
		want = all
	}
	at := 0
	for _, p := range page.Publications {
		for at < len(want) && want[at].data != string(p.Data) {
			at++
		}
		if at == len(want) {
			f.t.Fatalf("%s: %v has %.40q, which was not published, or not there", channel, p.Position, p.Data)
		}
		if was := want[at].Position; was.Epoch == p.Position.Epoch && was != p.Position {
			f.t.Fatalf("%s: %.40q is at %v, and was at %v", channel, p.Data, p.Position, was)
		}
		at++
	}
	// Of one epoch, a position means one thing.
	for _, p := range page.Publications {
		for _, s := range all {
			if s.Position == p.Position && s.data != string(p.Data) {
				f.t.Fatalf("%s: %v was given to %.40q and to %.40q", channel, p.Position, s.data, p.Data)
			}
		}
	}
}

// checkGoesOn publishes in every channel, and checks again: a client that has seen what is lost is told of it.
func (f *fixture) checkGoesOn() {
	f.t.Helper()
	for channel, all := range f.truth {
		var fresh []sent
		for i := range 3 {
			data := fmt.Sprintf("afterwards %d in %s", i, channel)
			p := f.put(hub.Message{Channel: channel, Data: []byte(data)}, plenty)
			if p.Err != nil {
				f.t.Fatal(p.Err)
			}
			fresh = append(fresh, sent{p.Position, data})
		}
		for i, seen := range all {
			page := f.page(channel, hub.Query{Since: seen.Position})
			if page.Gap == nil && len(page.Publications) != len(all)-i-1+len(fresh) {
				f.t.Fatalf("%s: after %v, the %d. of %d, come %d publications without a gap", channel, seen.Position, i+1, len(all), len(page.Publications))
			}
		}
		f.truth[channel] = append(all, fresh...)
	}
	f.check()
}

func (f *fixture) files(pattern string) []string {
	f.t.Helper()
	list, err := filepath.Glob(filepath.Join(f.options.Dir, pattern))
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

func (f *fixture) wantLogged(text string) {
	f.t.Helper()
	if !strings.Contains(f.logged.String(), text) {
		f.t.Errorf("%q was not logged:\n%s", text, f.logged.String())
	}
}

// copyTree copies the files of a directory.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// faulty is a file layer that fails when it is told to.
type faulty struct {
	mu    sync.Mutex
	room  int64         // bytes that can still be written; negative for no limit
	sync  error         // of the next Sync
	err   error         // when there is no room
	cut   error         // of Truncate
	stall chan struct{} // until it is closed, nothing is written
	syncs int
}

func (f *faulty) create(path string, flag int) (file, error) {
	inner, err := createFile(path, flag)
	if err != nil {
		return nil, err
	}
	return &faultyFile{inner, f}, nil
}

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

type faultyFile struct {
	file
	of *faulty
}

func (f *faultyFile) take(n int) (int, error) {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.of.room < 0 {
		return n, nil
	}
	if int64(n) > f.of.room {
		n = int(f.of.room)
		f.of.room = 0
		return n, f.of.err
	}
	f.of.room -= int64(n)
	return n, nil
}

func (f *faultyFile) Write(p []byte) (int, error) {
	n, full := f.take(len(p))
	n, err := f.file.Write(p[:n])
	return n, errors.Join(err, full)
}

func (f *faultyFile) WriteAt(p []byte, at int64) (int, error) {
	f.of.mu.Lock()
	stall := f.of.stall
	f.of.mu.Unlock()
	if stall != nil {
		<-stall
	}
	n, full := len(p), error(nil)
	if len(p) != markBytes { // what overwrites needs no room
		n, full = f.take(len(p))
	}
	n, err := f.file.WriteAt(p[:n], at)
	return n, errors.Join(err, full)
}

func (f *faultyFile) Truncate(size int64) error {
	f.of.mu.Lock()
	err := f.of.cut
	f.of.mu.Unlock()
	if err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *faultyFile) Sync() error {
	f.of.mu.Lock()
	err := f.of.sync
	f.of.syncs++
	f.of.mu.Unlock()
	if err != nil {
		return err
	}
	return f.file.Sync()
}

var _ io.Writer = (*faultyFile)(nil)
