//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/ws"
)

// watcher is what a subscriber has seen: everything once, and in order.
type watcher struct {
	name string

	mu       sync.Mutex // guards what follows
	position string
	seen     map[string]bool
	err      error
}

// saw notes a publication, and returns an error if it is not the next one.
func (w *watcher) saw(position, data string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if before, offset, is := strings.Cut(w.position, ":"); is {
		epoch, now, _ := strings.Cut(position, ":")
		n, _ := strconv.Atoi(offset)
		if epoch != before || now != strconv.Itoa(n+1) {
			return fmt.Errorf("%s: %s after %s", w.name, position, w.position)
		}
	}
	if w.seen[data] {
		return fmt.Errorf("%s: %q came twice", w.name, data)
	}
	w.position, w.seen[data] = position, true
	return nil
}

func (w *watcher) at() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.position
}

func (w *watcher) has(data string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[data]
}

// watchSocket follows a channel by WebSocket, and comes back when it is told to. Anything
// else is an error.
func (w *watcher) watchSocket(ctx context.Context, url string) error {
	for ctx.Err() == nil {
		query := "?envelope=1"
		if at := w.at(); at != "" {
			query += "&since=" + at
		}
		conn, _, err := ws.Dial(ctx, url+query, nil)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s cannot connect: %w", w.name, err)
		}
		err = w.readSocket(ctx, conn)
		_ = conn.CloseNow()
		if ctx.Err() == nil && ws.CloseStatus(err) != ws.StatusGoingAway {
			return err
		}
	}
	return nil
}

func (w *watcher) readSocket(ctx context.Context, conn *ws.Conn) error {
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		var envelope struct {
			Position, Data string
			Gap            any
		}
		if err := json.Unmarshal(message, &envelope); err != nil || envelope.Gap != nil {
			return fmt.Errorf("%s: %s, %w", w.name, message, errors.Join(err, errors.New("unexpected")))
		}
		if envelope.Data == "" {
			continue
		}
		if err := w.saw(envelope.Position, envelope.Data); err != nil {
			return err
		}
	}
}

// watchEvents follows a channel by Server-Sent Events.
func (w *watcher) watchEvents(ctx context.Context, client *http.Client, url string) error {
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Accept", "text/event-stream")
		if at := w.at(); at != "" {
			request.Header.Set("Last-Event-ID", at)
		}
		response, err := client.Do(request)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil || response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s cannot connect: %v, %w", w.name, response, err)
		}
		err = w.readEvents(response.Body)
		response.Body.Close()
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (w *watcher) readEvents(body io.Reader) error {
	var id, data, event string
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			data = value
		case "event":
			event = value
		case "":
			switch {
			case event == "gap":
				return fmt.Errorf("%s: a gap %s", w.name, data)
			case event == "" && data != "":
				if err := w.saw(id, data); err != nil {
					return err
				}
			}
			data, event = "", ""
		}
	}
	return lines.Err() // the stream has ended, or was cut
}

// post publishes by POST on connections that are kept, until ctx ends, and returns what was
// published. No request fails.
func post(ctx context.Context, client *http.Client, url, name string) (published []string, err error) {
	for n := 0; ctx.Err() == nil; n++ {
		data := fmt.Sprint(name, " ", n)
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(data))
		if err != nil {
			return nil, err
		}
		request.GetBody = nil // or else the client would send it again by itself
		request.Header.Set("Content-Type", "text/plain")
		response, err := client.Do(request)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode/100 != 2 {
			return nil, fmt.Errorf("%s: %s: %s, %w", name, response.Status, body, err)
		}
		published = append(published, data)
	}
	return published, nil
}

// speak publishes by WebSocket, one message at a time, each once the one before it has come
// back, and returns what has come back.
func speak(ctx context.Context, w *watcher, url string) (published []string, err error) {
	for n := 0; ctx.Err() == nil; {
		query := "?envelope=1"
		if at := w.at(); at != "" {
			query += "&since=" + at
		}
		conn, _, err := ws.Dial(context.Background(), url+query, nil)
		if err != nil {
			return nil, fmt.Errorf("%s cannot connect: %w", w.name, err)
		}
		reading, stop := context.WithTimeout(context.Background(), patience)
		ended := make(chan error, 1)
		go func() { ended <- w.readSocket(reading, conn) }()
		for ; ctx.Err() == nil; n++ {
			data := fmt.Sprint(w.name, " ", n)
			if !w.has(data) && conn.Write(reading, ws.MessageText, []byte(data)) != nil {
				break // it is closing
			}
			for !w.has(data) && len(ended) == 0 {
				<-time.After(time.Millisecond)
			}
			if !w.has(data) {
				n++ // it may have been published, or not: it is not said again
				break
			}
			published = append(published, data)
		}
		_ = conn.Close(ws.StatusNormal, "")
		err = <-ended
		stop()
		if status := ws.CloseStatus(err); status != ws.StatusGoingAway && status != ws.StatusNormal {
			return nil, err
		}
	}
	return published, nil
}

// upgraded is a server whose process is replaced.
type upgraded struct {
	*process
	url    string
	config string
	pid    string // the file
}

func serveUpgradable(t *testing.T, path string, settings string) *upgraded {
	t.Helper()
	dir := t.TempDir()
	u := &upgraded{config: filepath.Join(dir, "godwit.yaml"), pid: filepath.Join(dir, "pid")}
	if err := os.WriteFile(u.config, []byte("pid_file: "+u.pid+"\nlisten: 127.0.0.1:0\n"+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	u.process = launchAs(t, path, nil, "serve", "--demo=false", "--config", u.config, "--log-level", "info")
	u.url = "http://" + addressOf(t, u.process)
	t.Cleanup(func() { // also what has taken over
		if pid, err := server.ReadPIDFile(u.pid); err == nil && pid != u.cmd.Process.Pid {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return u
}

// stop ends the process that serves, and waits for all of them.
func (u *upgraded) stop(t *testing.T) {
	t.Helper()
	pid, err := server.ReadPIDFile(u.pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := u.exit(t); code != exitOK {
		t.Errorf("the first process ended with %d", code)
	}
	if _, err := os.Stat(u.pid); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of the process ID is still there: %v", err)
	}
}

// Under load, from every kind of client, the process is replaced twice, the second time
// while the first one still has clients: no connection and no request fails, and everybody
// gets everything once and in order.
func TestUpgradeUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("load in real time")
	}
	for _, driver := range []string{"engine", "goroutine"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			u := serveUpgradable(t, os.Args[0], "drain_timeout: 4s\nhistory: {count: 1000000}\ndriver: "+driver+"\n"+
				"limits: {publications_per_second_session: 1000000, publications_per_second_address: 1000000, requests_per_second: 1000000, handshakes_per_second: 100000}\n")
			url := u.url + "/channels/load"
			watching, stopWatching := context.WithCancel(t.Context())
			defer stopWatching()
			publishing, stopPublishing := context.WithCancel(t.Context())
			defer stopPublishing()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
			defer client.CloseIdleConnections()

			var watchers []*watcher
			var running, speaking sync.WaitGroup
			var mu sync.Mutex
			var published []string
			failed := func(err error) {
				if err != nil {
					t.Error(err)
				}
			}
			for i := range 20 {
				w := &watcher{name: fmt.Sprint("watcher ", i), seen: make(map[string]bool)}
				watchers = append(watchers, w)
				running.Go(func() {
					if i%2 == 0 {
						failed(w.watchSocket(watching, url))
					} else {
						failed(w.watchEvents(watching, client, url))
					}
				})
			}
			for !strings.Contains(fetchText(t, u.url+"/presence/load"), `"count":20`) {
				<-time.After(time.Millisecond)
			}
			for i := range 6 {
				w := &watcher{name: fmt.Sprint("speaker ", i), seen: make(map[string]bool)}
				speaking.Go(func() {
					var some []string
					var err error
					if i%2 == 0 {
						some, err = post(publishing, client, url, fmt.Sprint("poster ", i))
					} else {
						some, err = speak(publishing, w, url)
					}
					failed(err)
					mu.Lock()
					published = append(published, some...)
					mu.Unlock()
				})
			}
			for range 2 {
				<-time.After(500 * time.Millisecond) // under load
				if r := do(t, "", "serve", "--upgrade", "--config", u.config); r.code != exitOK || !strings.HasPrefix(r.out, "upgraded: process ") {
					t.Errorf("%+v", r)
				}
			}
			<-time.After(500 * time.Millisecond)
			stopPublishing()
			speaking.Wait()
			u.errOut.wait(t, "the end of two processes", func(text string) bool { return strings.Count(text, "msg=stopped") == 2 })
			if _, err := post1(client, url, "end"); err != nil {
				t.Error(err)
			}
			published = append(published, "end")
			deadline := time.After(patience)
			for _, w := range watchers {
				for !w.has("end") && !t.Failed() {
					select {
					case <-time.After(5 * time.Millisecond):
					case <-deadline:
						t.Errorf("%s has come no further than %s", w.name, w.at())
					}
				}
			}
			stopWatching()
			running.Wait()
			for _, w := range watchers {
				missing := 0
				for _, data := range published {
					if !w.has(data) {
						missing++
					}
				}
				if missing > 0 {
					t.Errorf("%s has not got %d of %d publications", w.name, missing, len(published))
				}
			}
			client.CloseIdleConnections()
			u.stop(t)
			log := u.errOut.text.String()
			t.Logf("%d publications", len(published))
			for line := range strings.Lines(log) {
				if strings.Contains(line, "handed over") || strings.Contains(line, "taken over") {
					t.Log(strings.TrimSpace(line))
				}
				if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
					t.Error("the log says: " + line)
				}
			}
		})
	}
}

func fetchText(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func post1(client *http.Client, url, data string) (string, error) {
	response, err := client.Post(url, "text/plain", strings.NewReader(data))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return string(b), err
}

// A program that does not start, a different program, and a configuration that
// cannot be, change nothing, and the server and its log say so.
func TestUpgradeFails(t *testing.T) {
	t.Parallel()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "godwit")
	point := func(to string) {
		t.Helper()
		_ = os.Remove(link) // it may be the first
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	point(self)
	u := serveUpgradable(t, link, "")
	if _, err := post1(http.DefaultClient, u.url+"/channels/chat", "before"); err != nil {
		t.Fatal(err)
	}
	nothing, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(u.config)
	if err != nil {
		t.Fatal(err)
	}
	failures := 0
	fails := func(why string) {
		t.Helper()
		failures++
		if err := syscall.Kill(u.cmd.Process.Pid, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		text := u.errOut.wait(t, "why it was not upgraded", func(text string) bool { return strings.Count(text, "not upgraded") == failures })
		if !strings.Contains(text, why) {
			t.Errorf("the log does not say %q:\n%s", why, text)
		}
		if page := fetchText(t, u.url+"/channels/chat?last=10"); !strings.Contains(page, "before") {
			t.Errorf("the history is %s", page)
		}
		if _, err := post1(http.DefaultClient, u.url+"/channels/chat", "after"); err != nil {
			t.Error(err)
		}
	}
	point(filepath.Join(t.TempDir(), "missing"))
	fails("cannot be started")
	point(nothing)
	fails("ended before it was ready")
	r := do(t, "", "serve", "--upgrade", "--config", u.config)
	failures++
	if want := fmt.Sprintf("process %d was not replaced and goes on as before", u.cmd.Process.Pid); r.code != exitFailure || !strings.Contains(r.errOut, want) {
		t.Errorf("%+v", r)
	}
	point(self)
	if err := os.WriteFile(u.config, append(good, "heartbeet: 1s\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("did you mean heartbeat")
	if r := do(t, "", "serve", "--upgrade", "--config", u.config); r.code != exitUsage || !strings.Contains(r.errOut, "heartbeat") {
		t.Errorf("a mistake is not found before anything happens: %+v", r)
	}
	if err := os.WriteFile(u.config, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := do(t, "", "serve", "--upgrade", "--config", u.config); r.code != exitOK {
		t.Errorf("%+v\n%s", r, u.errOut.text.String())
	}
	u.stop(t)
}

// Without a file of its process ID, and without a server, --upgrade says what is missing.
func TestUpgradeNeedsServer(t *testing.T) {
	t.Parallel()
	if r := do(t, "", "serve", "--upgrade"); r.code != exitFailure || !strings.Contains(r.errOut, "set pid_file") {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(file, []byte("pid_file: "+file+".pid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := do(t, "", "serve", "--upgrade", "--config", file); r.code != exitFailure || !strings.Contains(r.errOut, "no server runs with this configuration") {
		t.Errorf("%+v", r)
	}
}
