package diskbroker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// ending is how a process ends, after which the directory is opened again.
var endings = map[string]func(*fixture){
	"closed": (*fixture).close,
	"killed": (*fixture).kill,
}

// Everything that a publication has is there again, and goes on where it was.
func TestOpenedAgain(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			full := hub.Message{Channel: "full", Kind: hub.JSON, Data: []byte(`{"a":1}`), Publisher: "me", IdempotencyKey: "key",
				Attributes: &hub.Attributes{Event: "event", User: "user", Key: "about", Exclude: "other", Expires: time.Now().Add(time.Minute).UTC().Round(0), Trace: "00-1-2-01"}}
			first := f.put(full, plenty)
			f.put(hub.Message{Channel: "full", Kind: hub.Binary, Data: []byte{0, 255}}, plenty)
			f.put(hub.Message{Channel: "kept by none", Data: []byte("x")}, hub.Retention{})
			none := f.put(hub.Message{Channel: "kept by none", Data: []byte("y"), IdempotencyKey: "of none"}, hub.Retention{})
			f.publish("cleared", "a", "b")
			if err := f.Clear(t.Context(), "cleared"); err != nil {
				t.Fatal(err)
			}
			cleared := f.page("cleared", hub.Query{})
			delete(f.truth, "cleared")
			f.put(hub.Message{Channel: "by count", Data: []byte("1")}, hub.Retention{Count: 2, Age: time.Hour})
			f.put(hub.Message{Channel: "by count", Data: []byte("2")}, hub.Retention{Count: 2, Age: time.Hour})
			f.put(hub.Message{Channel: "by count", Data: []byte("3")}, hub.Retention{Count: 2, Age: time.Hour})
			before, counted, epoch, began := f.page("full", hub.Query{}), f.page("by count", hub.Query{}), f.Epoch(), f.Began()
			if len(before.Publications) != 2 || len(counted.Publications) != 2 {
				t.Fatal("the test is wrong")
			}

			for range 3 { // also from a log that is continued
				end(f)
				f.open()
				if f.Epoch() != epoch || f.Began().Sub(began).Abs() > time.Minute {
					t.Errorf("the epoch is %s since %v, want %s since %v", f.Epoch(), f.Began(), epoch, began)
				}
				for channel, want := range map[string]hub.Page{"full": before, "by count": counted, "cleared": cleared} {
					if got := f.page(channel, hub.Query{}); !reflect.DeepEqual(got, want) {
						t.Errorf("%s has %+v, want %+v", channel, got, want)
					}
				}
				if again := f.put(full, plenty); again.Err != nil || !again.Duplicate || again.Position != first.Position {
					t.Errorf("a key that was seen: %+v, want a duplicate of %+v", again, first)
				}
				if again := f.put(hub.Message{Channel: "kept by none", IdempotencyKey: "of none"}, hub.Retention{}); !again.Duplicate || again.Position != none.Position {
					t.Errorf("a key of what no history keeps: %+v, want a duplicate of %+v", again, none)
				}
			}
			if p := f.put(hub.Message{Channel: "kept by none", Data: []byte("z")}, plenty); p.Position.Offset != none.Position.Offset+1 {
				t.Errorf("after %v comes %v", none.Position, p.Position)
			}
			if p := f.put(hub.Message{Channel: "cleared", Data: []byte("z")}, plenty); p.Position.Offset != cleared.Position.Offset+1 {
				t.Errorf("after %v comes %v", cleared.Position, p.Position)
			}
		})
	}
}

// Ages go on while no process runs: of publications, and of keys.
func TestAgesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		f.put(hub.Message{Channel: "c", Data: []byte("old"), IdempotencyKey: "short"}, hub.Retention{Count: 10, Age: time.Minute, KeyAge: time.Minute})
		last := f.put(hub.Message{Channel: "c", Data: []byte("new"), IdempotencyKey: "long"}, hub.Retention{Count: 10, Age: time.Hour, KeyAge: time.Hour})
		f.close()
		<-time.After(2 * time.Minute)
		f.open()
		if page := f.page("c", hub.Query{}); len(page.Publications) != 1 || string(page.Publications[0].Data) != "new" {
			t.Errorf("after two minutes there is %+v", page)
		}
		if p := f.put(hub.Message{Channel: "c", IdempotencyKey: "long"}, plenty); !p.Duplicate {
			t.Errorf("the long key: %+v", p)
		}
		if p := f.put(hub.Message{Channel: "c", IdempotencyKey: "short"}, plenty); p.Duplicate || p.Position.Offset != last.Position.Offset+1 {
			t.Errorf("the short key: %+v", p)
		}
		f.close()
		<-time.After(2 * time.Hour)
		f.open()
		page := f.page("c", hub.Query{})
		if len(page.Publications) != 0 || page.Position.Offset != last.Position.Offset+1 {
			t.Errorf("after two hours there is %+v", page)
		}
		if n := f.Stats(); n.Channels != 0 {
			t.Errorf("%d channels are held, and none has history", n.Channels)
		}
	})
}

// The log does not grow for ever, and what replaces it while it is written has everything.
func TestStateIsRenewed(t *testing.T) {
	t.Parallel() // the disk is waited for
	f := newFixture(t, func(o *Options) { o.LogBytes = 64 << 10 })
	pad := strings.Repeat("x", 200)
	for round := range 4 {
		for i := range 500 {
			f.publish(fmt.Sprintf("c%d", i%20), fmt.Sprintf("%d %d %s", round, i, pad))
			if i%50 == 0 {
				f.put(hub.Message{Channel: "position only"}, hub.Retention{})
			}
		}
		f.kill()
		f.open()
		if gaps := f.check(); gaps != 0 {
			t.Fatalf("%d gaps", gaps)
		}
	}
	if s := f.DiskStats(); s.StateBytes < 100_000 {
		t.Errorf("the state was never renewed: %+v", s)
	}
	if states, logs := f.files("state-*"), f.files("log-*"); len(states) > 2 || len(logs) > segmentsMax+4 {
		t.Errorf("there are %d states and %d files of the log", len(states), len(logs))
	}
	f.checkGoesOn()
}

// A directory has one process at a time, which is named.
func TestLock(t *testing.T) {
	f := newFixture(t, nil)
	other, err := New(&f.options)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	err = other.Start(nobody{})
	var used *InUseError
	if !errors.As(err, &used) || used.PID != fmt.Sprint(os.Getpid()) || !strings.Contains(err.Error(), f.options.Dir) {
		t.Errorf("a directory that is used: %v", err)
	}
	f.publish("c", "1")
	f.close()
	f.open()
	f.check()
}

// A directory that a newer program has written is left alone.
func TestNewerFormat(t *testing.T) {
	f := newFixture(t, nil)
	f.publish("c", "1")
	f.close()
	path := filepath.Join(f.options.Dir, ownerName)
	line := `{"format":3,"something":"else"}`
	if err := os.WriteFile(path, []byte(line+"\n"+ownerChecksum([]byte(line))), fileMode); err != nil {
		t.Fatal(err)
	}
	before := f.files("*")
	b, err := New(&f.options)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var format *FormatError
	if err := b.Start(nobody{}); !errors.As(err, &format) || format.Format != 3 {
		t.Errorf("a newer format: %v", err)
	}
	if after := f.files("*"); !reflect.DeepEqual(before, after) {
		t.Errorf("the directory had %q, and has %q", before, after)
	}
}

// Nobody else can read what was published.
func TestPermissions(t *testing.T) {
	f := newFixture(t, nil)
	f.publish("c", "1")
	f.close()
	err := filepath.WalkDir(f.options.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			t.Errorf("%s has mode %o", path, mode)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A publication before the directory is open, or after it was closed, is refused.
func TestNotOpen(t *testing.T) {
	b, err := New(&Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Memory().Start(nobody{}); err != nil {
		t.Fatal(err)
	}
	a := make(answer, 1)
	b.Publish(hub.Message{Channel: "c"}, plenty, a, 0)
	if p := <-a; !errors.Is(p.Err, ErrNotOpen) || !errors.Is(b.Health(context.Background()), ErrNotOpen) {
		t.Errorf("before it is open: %v", p.Err)
	}
	if err := b.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Publish(hub.Message{Channel: "c"}, plenty, a, 0)
	if p := <-a; p.Err != nil {
		t.Error(p.Err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// Zero is the default of every option, and negative is refused by its name.
func TestOptions(t *testing.T) {
	for name, set := range map[string]func(*Options){
		"SyncInterval":       func(o *Options) { o.SyncInterval = -1 },
		"LogBytes":           func(o *Options) { o.LogBytes = -1 },
		"HistoryBytesMax":    func(o *Options) { o.Memory.HistoryBytesMax = -1 },
		"ChannelsMax":        func(o *Options) { o.Memory.ChannelsMax = -1 },
		"IdempotencyWindow":  func(o *Options) { o.Memory.IdempotencyWindow = -1 },
		"IdempotencyKeysMax": func(o *Options) { o.Memory.IdempotencyKeysMax = -1 },
		"Dir":                func(o *Options) { o.Dir = "" },
	} {
		o := Options{Dir: "somewhere"}
		set(&o)
		_, err := New(&o)
		var wrong *hub.OptionError
		if !errors.As(err, &wrong) || wrong.Option != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(nil); err == nil {
		t.Error("there is no directory, and no error")
	}
}
