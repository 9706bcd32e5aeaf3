//go:build linux

package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// A client that follows a pattern, and comes back when it is told to, gets everything that
// is published in its channels while another process takes over, each channel in order.
func TestHandOverPattern(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		const before, total = 5, 20
		c := Config{Driver: driver, DrainTimeout: 5 * time.Second}
		old := start(t, c)
		c.Listen = old.Config().Listen
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begun, gone := make(chan struct{}), make(chan error, 1)
		go func() {
			next, vector, isNew := 0, "", true
			perChannel := make(map[string]int)
			for next < total {
				query := ""
				if vector != "" {
					query = "?since=" + url.QueryEscape(vector)
				}
				conn, _, err := ws.Dial(ctx, old.url+"/channels/rooms/*"+query, nil)
				if err != nil {
					gone <- err
					return
				}
				for next < total {
					_, m, err := conn.Read(ctx)
					if ws.CloseStatus(err) == ws.StatusGoingAway {
						break
					}
					var e struct{ Channel, Vector, Data string }
					if err == nil {
						err = json.Unmarshal(m, &e)
					}
					if err != nil {
						gone <- err
						return
					}
					if e.Vector != "" {
						vector = e.Vector
					}
					if isNew {
						isNew = false
						close(begun)
					}
					if e.Data == "" {
						continue
					}
					n, err := strconv.Atoi(e.Data)
					switch want := perChannel[e.Channel]; {
					case err != nil || n/2 > want:
						t.Errorf("%s came, want %d of its channel", m, want)
					case n/2 == want: // else it is from before the vector
						perChannel[e.Channel]++
						next++
					}
				}
				conn.CloseNow()
			}
			gone <- nil
		}()
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		publish := func(n int) {
			t.Helper()
			q, err := http.NewRequestWithContext(ctx, "POST", old.url+"/channels/rooms/"+strconv.Itoa(n%2), strings.NewReader(strconv.Itoa(n)))
			if err != nil {
				t.Fatal(err)
			}
			q.Header.Set("Content-Type", "text/plain")
			p, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Body.Close()
			if p.StatusCode/100 != 2 {
				t.Error(p.Status)
			}
		}
		select {
		case <-begun:
		case err := <-gone:
			t.Fatal(err)
		}
		for n := range before {
			publish(n)
		}
		if _, err := old.succeed(t, c); err != nil {
			t.Fatal(err)
		}
		for n := before; n < total; n++ {
			publish(n)
		}
		if err := <-gone; err != nil {
			t.Error(err)
		}
		if err := old.stop(); err != nil {
			t.Error(err)
		}
	})
}
