//go:build linux

package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/identity"
)

// put publishes and returns the position.
func (r *running) put(t *testing.T, channel, data string) hub.Position {
	t.Helper()
	outcome, _, err := r.hub.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(data)})
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// texts are what the history of a channel has.
func (r *running) texts(t *testing.T, channel string, since hub.Position) (texts []string, gap *hub.Gap) {
	t.Helper()
	page, err := r.hub.History(t.Context(), channel, hub.Query{Since: since})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range page.Publications {
		texts = append(texts, string(p.Data))
	}
	return texts, page.Gap
}

// A directory that others can write to is warned of, when it is used and when it is checked.
func TestDataOpenToOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permissions are something else there")
	}
	for mode, isOpen := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o770: true, 0o707: true} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		s := start(t, Config{Data: dir})
		if log := s.log.String(); strings.Contains(log, "other users of this machine can write to "+dir) != isOpen {
			t.Errorf("%04o: the log is %s", mode, log)
		}
		path := filepath.Join(t.TempDir(), "godwit.yaml")
		if err := os.WriteFile(path, []byte("data: "+dir+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		e := Examine(path, nil, nil)
		e.LookUp()
		if warned := strings.Join(e.Warnings, "\n"); len(e.Errors) > 0 || strings.Contains(warned, "data: other users of this machine can write to "+dir) != isOpen {
			t.Errorf("%04o: %v, %v", mode, e.Errors, e.Warnings)
		}
	}
}

// A server that is started again has what it had, under the same positions, and knows what was revoked.
func TestDataOutlivesTheServer(t *testing.T) {
	c := configured(t, fmt.Sprintf(protected, identity.HashKey(identity.NewKey())))
	c.Data = filepath.Join(t.TempDir(), "data")
	one := start(t, c)
	first := one.put(t, "chat", "1")
	one.put(t, "chat", "2")
	if err := one.revoke(identity.Revocation{TokenID: "stolen"}); err != nil {
		t.Fatal(err)
	}
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	two := start(t, c)
	if got, gap := two.texts(t, "chat", first); gap != nil || fmt.Sprint(got) != "[2]" {
		t.Errorf("after %v come %q, and the gap %+v", first, got, gap)
	}
	if p := two.put(t, "chat", "3"); p.Epoch != first.Epoch || p.Offset != 3 {
		t.Errorf("after two publications from %v on comes %v", first, p)
	}
	var revoked bytes.Buffer
	if err := two.guard.Settings().Identities.WriteRevocations(&revoked); err != nil || !strings.Contains(revoked.String(), "stolen") {
		t.Errorf("revoked are %s, %v", revoked.String(), err)
	}
	// Another server cannot have it meanwhile.
	s, err := New(c.onLoopback(one))
	if err != nil {
		t.Fatal(err)
	}
	var wrong *SettingError
	if err := s.Listen(t.Context()); !errors.As(err, &wrong) || wrong.Key != "data" || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second server: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := two.stop(); err != nil {
		t.Fatal(err)
	}

	// Revocations are not forgotten because the file is damaged.
	path := filepath.Join(c.Data, revocationsName)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte("stolen"), []byte("st0len"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err = New(c.onLoopback(one))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file of revocations: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// onLoopback is c for a server that a test makes itself.
func (c Config) onLoopback(r *running) Config {
	c.Listen, c.Demo, c.Logger = []string{"127.0.0.1:0"}, new(false), r.log.logger()
	return c
}

// An upgrade takes the directory along: also to another directory, from memory to one, and from one to memory, after which the
// directory is not taken for the newest.
func TestDataIsHandedOver(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a process takes the place of another on Linux")
	}
	dir := t.TempDir()
	for _, test := range []struct{ name, from, to string }{
		{"the same", filepath.Join(dir, "a"), filepath.Join(dir, "a")},
		{"another", filepath.Join(dir, "b"), filepath.Join(dir, "c")},
		{"from memory", "", filepath.Join(dir, "d")},
		{"to memory", filepath.Join(dir, "e"), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Data: test.from, DrainTimeout: time.Second}
			old := start(t, c)
			first := old.put(t, "chat", "1")
			old.put(t, "chat", "2")
			c.Listen, c.Data = old.Config().Listen, test.to
			next, err := old.succeed(t, c)
			if err != nil {
				t.Fatal(err)
			}
			next.await(t, next.isServing)
			next.put(t, "chat", "3")
			if err := old.stop(); err != nil {
				t.Fatal(err)
			}
			if p := next.put(t, "chat", "4"); p.Epoch != first.Epoch || p.Offset != 4 {
				t.Errorf("the fourth after %v is %v", first, p)
			}
			if err := next.stop(); err != nil {
				t.Fatal(err)
			}
			for _, one := range []string{test.from, test.to} {
				if one == "" {
					continue
				}
				again := start(t, Config{Data: one})
				got, gap := again.texts(t, "chat", first)
				switch {
				case one == test.to && (gap != nil || fmt.Sprint(got) != "[2 3 4]"):
					t.Errorf("the directory that was taken along has %q, with the gap %+v", got, gap)
				case one != test.to && gap == nil:
					t.Errorf("the directory that was left has %q, without a gap", got)
				}
				if err := again.stop(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A successor that fails leaves the directory where it was, and nothing is lost.
func TestDataStaysAfterAFailedUpgrade(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a process takes the place of another on Linux")
	}
	c := Config{Data: filepath.Join(t.TempDir(), "data")}
	old := start(t, c)
	first := old.put(t, "chat", "1")
	// Its directory cannot be made, which it finds out when it has got everything.
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	failing := c
	failing.Listen, failing.Data = old.Config().Listen, filepath.Join(blocked, "data")
	if _, err := old.succeed(t, failing); err == nil {
		t.Fatal("it was handed over to a server that has no directory")
	}
	old.put(t, "chat", "2")
	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, c)
	if got, gap := again.texts(t, "chat", first); gap != nil || fmt.Sprint(got) != "[2]" {
		t.Errorf("there are %q, with the gap %+v", got, gap)
	}
}

// A disk that is full is a 503 to publishers and to readiness checks, and reads go on.
func TestDataDiskIsFull(t *testing.T) {
	t.Parallel() // the disk is waited for
	dir := t.TempDir()
	unmount, err := mountSmall(dir, 2<<20)
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") == "1" && os.Getuid() == 0 && runtime.GOOS == "linux" && !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		t.Skip("a small disk cannot be mounted here:", err)
	}
	defer unmount()
	one := start(t, Config{Data: filepath.Join(dir, "data"), DrainTimeout: time.Second})
	defer func() { _ = one.stop() }() // before it is unmounted
	if got := one.do(t, "GET", "/readyz", ""); got.StatusCode != http.StatusOK {
		t.Fatalf("readiness is %d", got.StatusCode)
	}
	ballast := filepath.Join(dir, "ballast")
	fillDisk(t, ballast)
	last := one.do(t, "POST", "/channels/chat", strings.Repeat("x", 10_000), "Content-Type", "text/plain")
	for i := 0; last.StatusCode == http.StatusCreated && i < 1000; i++ {
		last = one.do(t, "POST", "/channels/chat", strings.Repeat("x", 10_000), "Content-Type", "text/plain")
	}
	if last.StatusCode != http.StatusServiceUnavailable || !strings.Contains(last.body, "problems/broker") {
		t.Errorf("a publisher gets %d: %s", last.StatusCode, last.body)
	}
	if got := one.do(t, "GET", "/readyz", ""); got.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readiness is %d", got.StatusCode)
	}
	if _, err := one.hub.History(t.Context(), "chat", hub.Query{}); err != nil {
		t.Errorf("reading: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	one.await(t, func() bool { return one.hub.Health(context.Background()) == nil })
	if got := one.do(t, "POST", "/channels/chat", "with room", "Content-Type", "text/plain"); got.StatusCode != http.StatusCreated {
		t.Errorf("with room again a publisher gets %d: %s", got.StatusCode, got.body)
	}
	if stats := one.disk.broker.DiskStats(); stats.Failures == 0 || stats.IsRefusing {
		t.Errorf("%+v", stats)
	}
}

// fillDisk writes a file until there is no room.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := 64 << 10; n > 0; {
		if _, err := f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
}

// A broker in memory has no directory that could be asked for.
func TestNoDirectory(t *testing.T) {
	s, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if s.disk != nil || s.brokerStats() != (membroker.Stats{}) {
		t.Errorf("%+v", s.disk)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
