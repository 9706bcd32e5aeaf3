package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/natstest"
	"github.com/godwit-io/godwit/internal/redistest"
	"github.com/godwit-io/godwit/ws"
)

// hearsOf waits for a message that contains want, and returns the reason if the connection ends.
func hearsOf(t *testing.T, conn *ws.Conn, want string) (end string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return err.Error()
		}
		if strings.Contains(string(data), want) {
			return ""
		}
	}
}

// hearsLine waits for a line that contains want, whatever it begins with.
func (s *streamed) hearsLine(want string) (end string) {
	limit := time.AfterFunc(patience, func() { _ = s.body.Close() })
	defer limit.Stop()
	for s.scanner.Scan() {
		if strings.Contains(s.scanner.Text(), want) {
			return ""
		}
	}
	return fmt.Sprint("the stream has ended: ", s.scanner.Err())
}

// aBroker is a process that a test does harm to.
type aBroker interface {
	URL() string
	Kill() error
	Start() error
	Pause() error
	Resume() error
}

func startRedis(t *testing.T) aBroker { return redistest.Start(t) }
func startNATS(t *testing.T) aBroker  { return natstest.Start(t, natstest.Config{}) }

// While the broker is away, a listener stays, whatever carries it, is told so, and told when it
// is over; publishers are refused, at once and without a line in the log for each of them.
func TestListenersAreTold(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as publishers have patience")
	}
	for name, trouble := range map[string]struct {
		start      func(*testing.T) aBroker
		begin, end func(aBroker) error
		isLost     bool // what was published is
	}{
		"Redis is killed":  {startRedis, aBroker.Kill, aBroker.Start, true},
		"Redis is stopped": {startRedis, aBroker.Pause, aBroker.Resume, false},
		"NATS is killed":   {startNATS, aBroker.Kill, aBroker.Start, true},
		"NATS is stopped":  {startNATS, aBroker.Pause, aBroker.Resume, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := trouble.start(t)
			s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, broker.URL())}, Away: time.Millisecond}})
			s.awaitReady(t, http.StatusOK)
			events := open(t, s, "GET", "/channels/news", "Accept", "text/event-stream")
			lines := open(t, s, "GET", "/channels/news", "Accept", "application/x-ndjson")
			bare := pie(t, s, "/channels/news")
			envelopes := pie(t, s, "/channels/news?envelope=1")
			session := pie(t, s, "/connect")
			says(t, session, `{"id":1,"connect":{}}`)
			says(t, session, `{"id":2,"subscribe":{"channel":"news"}}`)
			says(t, session, `{"id":3,"subscribe":{"channel":"other"}}`)
			everybody := func(want string) {
				t.Helper()
				for who, end := range map[string]string{
					"events":    events.hearsLine(want),
					"lines":     lines.hearsLine(want),
					"envelopes": hearsOf(t, envelopes, want),
					"session":   hearsOf(t, session, want),
				} {
					if end != "" {
						t.Fatalf("%s: %s, and no %s", who, end, want)
					}
				}
			}
			publish := func() answer { return s.do(t, http.MethodPost, "/channels/news", "hello") }
			begun := len(s.log.String()) // a broker that is slow to be reached for the first time is in the log before

			if err := trouble.begin(broker); err != nil {
				t.Fatal(err)
			}
			everybody(`"is":true`)
			began := time.Now()
			for range 50 {
				if a := publish(); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
					t.Fatalf("a publisher is answered %s %s", a.Status, a.body)
				}
			}
			if took := time.Since(began); took > 25*time.Second { // the first has patience, for 5 s
				t.Errorf("50 publishers have waited for %v", took)
			}
			if err := trouble.end(broker); err != nil {
				t.Fatal(err)
			}
			everybody(`"is":false`)
			if a := publish(); a.StatusCode != http.StatusCreated {
				t.Fatalf("the first publisher is answered %s %s", a.Status, a.body)
			}
			everybody("hello")
			if end := hearsOf(t, bare, "hello"); trouble.isLost != strings.Contains(end, "position lost") || !trouble.isLost && end != "" {
				t.Errorf("a bare socket: %q", end)
			}
			log := s.log.String()[begun:]
			for text, most := range map[string]int{"the broker cannot be used": 1, "the broker can be used again": 1, "broker failed": 1, "broker did not answer": 1} {
				if n := strings.Count(log, text); n > most {
					t.Errorf("%d times the log says %q: %s", n, text, log)
				}
			}
			if !strings.Contains(log, " failed=") {
				t.Errorf("the log does not say how much has failed: %s", log)
			}
			if text := s.do(t, http.MethodGet, "/metrics", "").body; strings.Contains(text, "\ngodwit_broker_failures_total 0\n") || !strings.Contains(text, "\ngodwit_broker_failures_total ") {
				t.Error("the metrics do not say how much has failed")
			}
		})
	}
}

// A history is not waited for that is on a Redis which has never been reached.
func TestHistoryWithoutRedis(t *testing.T) {
	redis := redistest.Start(t)
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, redis.URL())}}})
	began := time.Now()
	a := s.do(t, http.MethodGet, "/channels/news?last=3", "")
	if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "broker-unavailable") || time.Since(began) > 5*time.Second {
		t.Errorf("%s %s, after %v", a.Status, a.body, time.Since(began))
	}
}
