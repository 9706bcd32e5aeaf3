package server

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/ws"
)

// crowd are publishers and subscribers of one channel, each with a token of its own that
// takes a public key to verify.
type crowd struct {
	t      *testing.T
	s      *running
	signer *identity.Signer
	all    int // publications that there will be

	mu    sync.Mutex
	users int
}

func (c *crowd) credential() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	var grants access.Grants
	if err := json.Unmarshal([]byte(`{"subscribe":["load"],"publish":["load"],"history":["load"]}`), &grants); err != nil {
		panic(err)
	}
	text, err := c.signer.Sign(&identity.Claims{User: fmt.Sprint("user", c.users), Grants: grants, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		panic(err)
	}
	return "Bearer " + text
}

func (c *crowd) request(ctx context.Context, method, query, body string, fields ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.s.url+"/channels/load"+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", c.credential())
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return http.DefaultClient.Do(r)
}

// seen collects what a subscriber gets. It reports true when that is all.
type seen map[string]int

func (s seen) add(c *crowd, who, data string) bool {
	if s[data]++; s[data] > 1 {
		c.t.Errorf("%s got %q twice", who, data)
	}
	return len(s) == c.all
}

func (c *crowd) bySocket(ctx context.Context, ready func()) error {
	conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(c.s.url, "http")+"/channels/load", &ws.DialOptions{Header: http.Header{"Authorization": {c.credential()}}})
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	ready()
	for got := (seen{}); ; {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if got.add(c, "a WebSocket", string(data)) {
			return nil
		}
	}
}

func (c *crowd) byEvents(ctx context.Context, ready func()) error {
	response, err := c.request(ctx, "GET", "", "", "Accept", "text/event-stream")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return fmt.Errorf("an event stream got %s", response.Status)
	}
	ready()
	got, in := seen{}, bufio.NewScanner(response.Body)
	for in.Scan() {
		data, is := strings.CutPrefix(in.Text(), "data: ")
		if is && strings.HasPrefix(data, "publication ") && got.add(c, "an event stream", data) {
			return nil
		}
	}
	return fmt.Errorf("an event stream ended after %d: %w", len(got), io.ErrUnexpectedEOF)
}

func (c *crowd) byPolls(ctx context.Context, ready func()) error {
	var page struct {
		Position     string
		Publications []struct{ Data string }
		Gap          bool
	}
	poll := func(query, prefer string) error {
		response, err := c.request(ctx, "GET", query, "", "Prefer", prefer)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if response.StatusCode != 200 {
			return fmt.Errorf("a poll got %s: %s", response.Status, content)
		}
		return json.Unmarshal(content, &page)
	}
	if err := poll("?last=0", ""); err != nil {
		return err
	}
	ready()
	for got := (seen{}); ; {
		if err := poll("?since="+page.Position, "wait=5"); err != nil {
			return err
		}
		if page.Gap {
			return fmt.Errorf("a poll has a gap after %d", len(got))
		}
		for _, p := range page.Publications {
			if got.add(c, "a poll", p.Data) {
				return nil
			}
		}
	}
}

// A server that is reloaded again and again under load loses nothing and nobody, and
// denies from each reload on what that denies.
func TestReloadUnderLoad(t *testing.T) {
	reloads, publishers, each := 50, 3, 200
	if testing.Short() {
		reloads, each = 15, 40
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	toFile := func(kind, name string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return b
	}
	file := filepath.Join(t.TempDir(), "public.pem")
	der, err := x509.MarshalPKIXPublicKey(public)
	toFile("PUBLIC KEY", file, der, err)
	der, err = x509.MarshalPKCS8PrivateKey(private)
	signer, err := identity.NewPEMSigner(toFile("PRIVATE KEY", file+".private", der, err), "")
	if err != nil {
		t.Fatal(err)
	}
	eachDriver(t, func(t *testing.T, driver string) {
		config := func(anonymous string) Config {
			c := configured(t, fmt.Sprintf("tokens:\n  - key: file:%s\nanonymous:\n  publish: [%s]\nchannels:\n  - {match: load, history: {count: 5000}}\nhistory: {count: 5000}\n", file, anonymous))
			c.Driver = driver
			return c
		}
		configs := []Config{config("flip"), config("other")}
		s := start(t, configs[1])
		c := &crowd{t: t, s: s, signer: signer, all: publishers * each}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var ready, subscribers, all sync.WaitGroup
		for _, subscribe := range []func(context.Context, func()) error{c.bySocket, c.byEvents, c.byPolls, c.bySocket, c.byEvents, c.byPolls} {
			ready.Add(1)
			subscribers.Go(func() {
				isReady := sync.OnceFunc(ready.Done)
				if err := subscribe(ctx, isReady); err != nil {
					t.Error(err)
					cancel()
				}
				isReady()
			})
		}
		ready.Wait()
		for publisher := range publishers {
			all.Go(func() {
				for i := range each {
					response, err := c.request(ctx, "POST", "", fmt.Sprintf("publication %d of %d", i, publisher), "Content-Type", "text/plain")
					if err != nil {
						t.Error(err)
						return
					}
					content, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if response.StatusCode != 201 {
						t.Errorf("publication %d: %s %s", i, response.Status, content)
						cancel()
						return
					}
				}
			})
		}
		published := make(chan struct{})
		go func() {
			defer close(published)
			all.Wait()
		}()
		for i, isOver := 0, false; i < reloads || !isOver; i++ {
			select {
			case <-published:
				isOver = true
			default:
			}
			if _, err := s.Reload(ctx, configs[i%2]); err != nil {
				t.Fatal(err)
			}
			if got, want := s.do(t, "POST", "/channels/flip", "x").StatusCode, []int{201, 401}[i%2]; got != want {
				t.Errorf("after reload %d an anonymous client gets %d, want %d", i, got, want)
			}
		}
		subscribers.Wait()
	})
}
