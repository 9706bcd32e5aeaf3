package diskbroker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// filled is a directory in which something was acknowledged, its process being dead. Each call of again gives
// another one that is the same.
func filled(t testing.TB, change func(*Options)) *fixture {
	f := newFixture(t, change)
	for i := range 30 {
		for c := range 3 {
			f.publish(fmt.Sprintf("c%d", c), fmt.Sprintf("%d of %d, %s", i, c, strings.Repeat("#", rand.IntN(40))))
		}
	}
	return f
}

// spoil has a file be other bytes, in place: it stays the same file.
func spoil(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = change(b)
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// snapshotFiles are the files of a directory, which restoreFiles puts back in place.
func snapshotFiles(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, e := range entries {
		if e.Type().IsRegular() {
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			files[e.Name()] = b
		}
	}
	return files
}

func restoreFiles(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, is := files[e.Name()]; !is {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range files {
		w, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_TRUNC|os.O_CREATE, fileMode)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// everyLoss opens the directory again and again, with one loss each, and holds it to what was acknowledged.
func everyLoss(t *testing.T, f *fixture, n int, lose func(i int) (what string)) (announced int) {
	f.kill()
	files := snapshotFiles(t, f.options.Dir)
	truth := f.truth
	boot := f.boot
	for i := range n {
		restoreFiles(t, f.options.Dir, files)
		f.boot = boot
		f.truth = make(map[string][]sent)
		for channel, all := range truth {
			f.truth[channel] = append([]sent(nil), all...)
		}
		what := lose(i)
		f.open()
		gaps := f.check()
		if gaps > 0 {
			announced++
		}
		f.checkGoesOn()
		f.kill()
		// What it was repaired to is in order.
		f.open()
		f.check()
		f.close()
		if t.Failed() {
			t.Fatalf("with %s", what)
		}
	}
	return announced
}

// The log cut anywhere, by a machine that failed, or by whatever else.
func TestCutAnywhere(t *testing.T) {
	t.Parallel() // the disk is waited for
	for _, reboot := range []bool{false, true} {
		for _, always := range []bool{false, true} {
			t.Run(fmt.Sprintf("reboot %v, always %v", reboot, always), func(t *testing.T) {
				t.Parallel()
				f := filled(t, func(o *Options) { o.SyncAlways = always })
				path := f.segmentPath(1)
				size := fileSize(t, path)
				steps := 16
				if testing.Short() {
					steps = 8
				}
				announced := everyLoss(t, f, steps, func(i int) string {
					keep := size * int64(i) / int64(steps)
					if i == steps-1 {
						keep = size - 1
					}
					if err := os.Truncate(path, keep); err != nil {
						t.Fatal(err)
					}
					if reboot {
						f.boot = "another"
					}
					return fmt.Sprintf("%d of %d bytes of the log", keep, size)
				})
				if announced != steps {
					t.Errorf("%d of %d losses were announced", announced, steps)
				}
			})
		}
	}
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Blocks of the log that were not written, that are those of another time, or in each other's place.
func TestBlocksAnywhere(t *testing.T) {
	t.Parallel() // the disk is waited for
	f := filled(t, nil)
	path := f.segmentPath(1)
	const block = 512
	blocks := int(fileSize(t, path) / block)
	steps := 24
	if testing.Short() {
		steps = 9
	}
	announced := everyLoss(t, f, steps, func(i int) string {
		at, other := rand.IntN(blocks), rand.IntN(blocks)
		what := fmt.Sprintf("%d: block %d of %d, and %d", i%3, at, blocks, other)
		spoil(t, path, func(b []byte) []byte {
			one, two := b[at*block:(at+1)*block], b[other*block:(other+1)*block]
			switch i % 3 {
			case 0:
				clear(one)
			case 1:
				copy(one, append([]byte(nil), two...))
			case 2:
				kept := append([]byte(nil), one...)
				copy(one, two)
				copy(two, kept)
			}
			return b
		})
		if i%2 == 0 {
			f.boot = fmt.Sprint("boot ", i)
		}
		return what
	})
	t.Logf("%d of %d were announced; in the others a block took its own place", announced, steps)
	if announced < steps/2 {
		t.Errorf("%d of %d losses were announced", announced, steps)
	}
}

// A bit that is another one, in any file.
func TestBitsAnywhere(t *testing.T) {
	t.Parallel() // the disk is waited for
	f := filled(t, nil)
	f.close() // with a state that has everything, and a log
	f.open()
	if err := f.renewState(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		f.publish("c1", fmt.Sprint("in the log ", i))
	}
	names := []string{ownerName, markName, filepath.Base(f.files("state-*")[0]), filepath.Base(f.files("log-*")[0])}
	steps := 48
	if testing.Short() {
		steps = 12
	}
	announced := everyLoss(t, f, steps, func(i int) string {
		name := names[i%len(names)]
		var what string
		spoil(t, f.path(name), func(b []byte) []byte {
			at, bit := rand.IntN(len(b)), rand.IntN(8)
			b[at] ^= 1 << bit
			what = fmt.Sprintf("bit %d of byte %d of %d of %s", bit, at, len(b), name)
			return b
		})
		return what
	})
	if announced != steps {
		t.Errorf("%d of %d were announced", announced, steps)
	}
	if len(f.files(damagedName+"/*")) == 0 {
		t.Error("nothing was set aside")
	}
	f.wantLogged("because=")
}

// Files that are missing.
func TestFilesMissing(t *testing.T) {
	f := filled(t, nil)
	names := []string{ownerName, markName, filepath.Base(f.files("state-*")[0]), filepath.Base(f.files("log-*")[0]), lockName}
	announced := everyLoss(t, f, len(names), func(i int) string {
		if err := os.Remove(f.path(names[i])); err != nil {
			t.Fatal(err)
		}
		return "no " + names[i]
	})
	if runtime.GOOS == "linux" && announced != len(names) {
		t.Errorf("%d of %d were announced", announced, len(names))
	}
}

// A machine that fails while everything is on the disk: with interval nobody knows that it is, with always it is.
func TestMachineFails(t *testing.T) {
	for _, always := range []bool{false, true} {
		t.Run(fmt.Sprintf("always %v", always), func(t *testing.T) {
			f := filled(t, func(o *Options) { o.SyncAlways = always })
			epoch := f.Epoch()
			f.kill()
			f.boot = "another"
			f.open()
			if f.check(); (f.Epoch() == epoch) != always {
				t.Errorf("the epoch was %s and is %s", epoch, f.Epoch())
			}
			if n := f.Stats().Publications; n != 90 {
				t.Errorf("%d publications are held, want all 90", n)
			}
			f.checkGoesOn()
			// The machine is stopped in good order: everything goes on.
			epoch = f.Epoch()
			f.close()
			f.boot = "a third"
			f.open()
			if f.Epoch() != epoch {
				t.Error("another epoch has begun after a directory was closed")
			}
		})
	}
}

// With always, nothing is acknowledged that was not synced before.
func TestAlwaysIsSynced(t *testing.T) {
	disk := &faulty{room: -1}
	f := newFixture(t, func(o *Options) { o.SyncAlways, o.create = true, disk.create })
	for i := range 20 {
		var before int
		disk.set(func(d *faulty) { before = d.syncs })
		f.publish("c", fmt.Sprint(i))
		disk.set(func(d *faulty) {
			if d.syncs == before {
				t.Error("acknowledged without having been synced")
			}
		})
	}
}

// An older copy of a directory gives out no position that the original has given out since.
func TestCopy(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says when a file was made, which tells a copy from its original")
	}
	f := filled(t, nil)
	f.close()
	backup := t.TempDir()
	copyTree(t, f.options.Dir, filepath.Join(backup, "copy"))
	f.open()
	epoch := f.Epoch()
	f.publish("c0", "after the copy")
	f.close()
	f.options.Dir = filepath.Join(backup, "copy")
	f.open()
	if f.Epoch() == epoch {
		t.Error("a copy goes on in the epoch of the original")
	}
	if page := f.page("c0", hub.Query{}); len(page.Publications) != 30 {
		t.Errorf("the copy has %d publications of c0, want 30", len(page.Publications))
	}
	f.check()
	f.checkGoesOn()
	f.wantLogged("is a copy")

	// Somebody says that it is no copy, which counts once.
	f.close()
	epoch = f.Epoch()
	moved := filepath.Join(backup, "moved")
	copyTree(t, f.options.Dir, moved)
	f.options.Dir = moved
	if err := os.WriteFile(filepath.Join(moved, movedName), nil, fileMode); err != nil {
		t.Fatal(err)
	}
	f.open()
	if f.Epoch() != epoch || len(f.files(movedName)) != 0 {
		t.Error("a directory that was moved does not go on")
	}
	f.check()
}
