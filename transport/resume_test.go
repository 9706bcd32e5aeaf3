package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/eventsource"
	"github.com/godwit-io/godwit/ws"
)

const (
	resumeMessages    = 10_000
	resumeDisconnects = 100
)

// visit reads from position on, calls got for every message with the position
// to continue from, and leaves when got returns false. It returns the position
// to continue from at the end.
type visit func(ctx context.Context, s *site, position string, got func(number int, position string) bool) (string, error)

// Resuming over each transport loses and repeats nothing while somebody
// publishes all the time and the client leaves at random moments.
func TestResume(t *testing.T) {
	for name, visit := range map[string]visit{
		"websocket": visitWebSocket,
		"sse":       visitEvents,
		"ndjson":    visitLines,
		"longpoll":  visitPages,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{hub: hub.Options{
				Retention:     hub.Retention{Count: resumeMessages, Age: hub.DefaultRetentionAge},
				QueueCountMax: 64, // so that slow moments go through the history too
			}})
			ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
			defer cancel()

			position := s.epoch() + ":0"
			next := 1
			// The publisher is let on as the client comes on, a stretch ahead of
			// it, so that they are concurrent all the way.
			allowed := make(chan struct{}, 400)
			published := make(chan error, 1)
			go func() {
				for i := range resumeMessages {
					select {
					case allowed <- struct{}{}:
					case <-ctx.Done():
						published <- ctx.Err()
						return
					}
					_, _, err := s.hub.Publish(ctx, hub.Message{Channel: "chat", Data: []byte(strconv.Itoa(i + 1))})
					if err != nil {
						published <- err
						return
					}
				}
				published <- nil
			}()

			random := rand.New(rand.NewPCG(1, 2))
			visits := 0
			for next <= resumeMessages {
				visits++
				stay := 1 + random.IntN(2*resumeMessages/resumeDisconnects-40)
				if visits > resumeDisconnects {
					stay = resumeMessages
				}
				var wrong error
				var err error
				position, err = visit(ctx, s, position, func(number int, at string) bool {
					if number != next {
						wrong = fmt.Errorf("visit %d: got %d, want %d", visits, number, next)
						return false
					}
					next++
					stay--
					<-allowed
					return stay > 0 && next <= resumeMessages
				})
				if err = errors.Join(wrong, err); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-published; err != nil {
				t.Error(err)
			}
			if visits < resumeDisconnects {
				t.Errorf("only %d visits", visits)
			}
			s.expectGone()
		})
	}
}

// errGap is what a test that keeps all history must not see.
var errGap = errors.New("a gap was announced")

func visitWebSocket(ctx context.Context, s *site, position string, got func(int, string) bool) (string, error) {
	conn, _, err := ws.Dial(ctx, s.server.URL+"/channels/chat?envelope=1&since="+position, nil)
	if err != nil {
		return position, err
	}
	defer conn.CloseNow()
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return position, err
		}
		number, at, err := readEnvelope(message)
		if err != nil {
			return position, err
		}
		position = at
		if !got(number, at) {
			return position, nil
		}
	}
}

func readEnvelope(line []byte) (number int, position string, err error) {
	var e struct {
		Position string
		Data     string
		Gap      any
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, "", err
	}
	if e.Gap != nil {
		return 0, "", errGap
	}
	number, err = strconv.Atoi(e.Data)
	return number, e.Position, err
}

func openStream(ctx context.Context, s *site, path string, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", s.server.URL+path, nil)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := s.client.Do(r)
	if err == nil && response.StatusCode != 200 {
		response.Body.Close()
		err = errors.New(response.Status)
	}
	return response, err
}

func visitEvents(ctx context.Context, s *site, position string, got func(int, string) bool) (string, error) {
	response, err := openStream(ctx, s, "/channels/chat?last=1", "Accept", "text/event-stream", "Last-Event-ID", position)
	if err != nil {
		return position, err
	}
	defer response.Body.Close()
	var p eventsource.Parser
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		e, ok := p.Line(lines.Text())
		if !ok {
			continue
		}
		if e.Name == "position" {
			continue // where it begins
		}
		if e.Name != "" {
			return position, fmt.Errorf("an event %s: %s", e.Name, e.Data)
		}
		number, err := strconv.Atoi(e.Data)
		if err != nil {
			return position, err
		}
		position = e.ID
		if !got(number, position) {
			return position, nil
		}
	}
	return position, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

func visitLines(ctx context.Context, s *site, position string, got func(int, string) bool) (string, error) {
	response, err := openStream(ctx, s, "/channels/chat?since="+position, "Accept", "application/x-ndjson")
	if err != nil {
		return position, err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if lines.Text() == "{}" {
			continue
		}
		number, at, err := readEnvelope(lines.Bytes())
		if err != nil {
			return position, err
		}
		position = at
		if !got(number, at) {
			return position, nil
		}
	}
	return position, errors.Join(lines.Err(), io.ErrUnexpectedEOF)
}

// visitPages polls. To leave is to break off a poll that is under way; what it
// would have answered is asked for again.
func visitPages(ctx context.Context, s *site, position string, got func(int, string) bool) (string, error) {
	for {
		response, err := openStream(ctx, s, "/channels/chat?limit=50&since="+position, "Prefer", "wait=10")
		if err != nil {
			return position, err
		}
		var page struct {
			Position     string
			Publications []json.RawMessage
			Gap          bool
		}
		err = json.NewDecoder(response.Body).Decode(&page)
		response.Body.Close()
		if err != nil {
			return position, err
		}
		if page.Gap {
			return position, errGap
		}
		for _, item := range page.Publications {
			number, at, err := readEnvelope(item)
			if err != nil {
				return position, err
			}
			position = at
			if !got(number, at) {
				// Leave in the middle of the next poll.
				leaving, leave := context.WithCancel(ctx)
				go leave()
				if response, err := openStream(leaving, s, "/channels/chat?since="+position, "Prefer", "wait=10"); err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				} else if !strings.Contains(err.Error(), "context canceled") {
					return position, err
				}
				return position, nil
			}
		}
		if len(page.Publications) > 0 && page.Position != position {
			return position, fmt.Errorf("the page is said to end at %s and ends at %s", page.Position, position)
		}
		position = page.Position
	}
}
