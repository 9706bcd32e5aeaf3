package transport

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/eventsource"
)

// envelopeOf is what a test looks at of an envelope.
type envelopeOf struct {
	Channel  string
	Position string
	Data     string
	Vector   string
	Gap      *struct{ Channel string }
}

// visitPattern reads until got returns false, from a vector on, and returns the newest
// vector it saw.
type visitPattern func(t *testing.T, s *site, vector string, got func(envelopeOf) bool) string

// eventReader reads the events of a stream.
type eventReader struct {
	t      *testing.T
	lines  *bufio.Scanner
	parser eventsource.Parser
}

func newEventReader(t *testing.T, response *http.Response) *eventReader {
	return &eventReader{t: t, lines: bufio.NewScanner(response.Body)}
}

func (r *eventReader) next() eventsource.Event {
	r.t.Helper()
	for r.lines.Scan() {
		if e, ok := r.parser.Line(r.lines.Text()); ok {
			return e
		}
	}
	r.t.Fatal("the stream has ended: ", r.lines.Err())
	return eventsource.Event{}
}

func visitPatternEvents(t *testing.T, s *site, vector string, got func(envelopeOf) bool) string {
	header := fields{"Accept", "text/event-stream"}
	if vector != "" {
		header = append(header, "Last-Event-ID", vector)
	}
	response := s.open("/channels/room/**", header)
	defer response.Body.Close()
	events := newEventReader(t, response)
	for {
		e := events.next()
		if len(e.ID) > 4<<10 {
			t.Fatalf("an id of %d bytes", len(e.ID))
		}
		vector = e.ID
		if e.Name == "position" {
			continue
		}
		var envelope envelopeOf
		if err := json.Unmarshal([]byte(e.Data), &envelope); err != nil {
			t.Fatalf("%q: %v", e.Data, err)
		}
		if !got(envelope) {
			return vector
		}
	}
}

func visitPatternLines(t *testing.T, s *site, vector string, got func(envelopeOf) bool) string {
	query := ""
	if vector != "" {
		query = "?since=" + vector
	}
	response := s.open("/channels/room/**"+query, fields{"Accept", "application/x-ndjson"})
	defer response.Body.Close()
	begin := response.Header.Get(headerPosition)
	if _, err := hub.ParseVector(begin); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(response.Body)
	goesOn := true
	for lines.Scan() {
		var envelope envelopeOf
		if err := json.Unmarshal(lines.Bytes(), &envelope); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		switch {
		case envelope.Vector != "" && goesOn:
			vector = envelope.Vector
		case envelope.Vector != "":
			return envelope.Vector // what came before it is in it
		default:
			goesOn = got(envelope) && goesOn
		}
	}
	t.Fatal(lines.Err())
	return ""
}

// TestPatternResumes: a client that leaves at random moments and comes back with its
// vector has everything of every channel, once and in order.
func TestPatternResumes(t *testing.T) {
	const channels, messages = 40, 3000
	for name, test := range map[string]struct {
		visit  visitPattern
		visits int
	}{"sse": {visitPatternEvents, 60}, "ndjson": {visitPatternLines, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{hub: hub.Options{QueueCountMax: 64, Retention: hub.Retention{Count: messages}}})
			ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
			defer cancel()
			allowed := make(chan struct{}, 100)
			published := make(chan error, 1)
			begun := make(chan struct{})
			go func() {
				<-begun
				for i := range messages {
					select {
					case allowed <- struct{}{}:
					case <-ctx.Done():
						published <- ctx.Err()
						return
					}
					channel := fmt.Sprintf("room/%d", i%channels)
					if _, _, err := s.hub.Publish(ctx, hub.Message{Channel: channel, Data: fmt.Append(nil, i)}); err != nil {
						published <- err
						return
					}
				}
				published <- nil
			}()
			next := make(map[string]int)
			for i := range channels {
				next[fmt.Sprintf("room/%d", i)] = i
			}
			random := rand.New(rand.NewPCG(1, 2))
			// The first visit only sees where the stream begins.
			response := s.open("/channels/room/**", fields{"Accept", "text/event-stream"})
			vector := response.Header.Get(headerPosition)
			response.Body.Close()
			close(begun)
			for left := messages; left > 0; {
				stay := 1 + random.IntN(2*messages/test.visits)
				vector = test.visit(t, s, vector, func(e envelopeOf) bool {
					if e.Gap != nil || e.Channel == "" || e.Position == "" {
						t.Fatalf("a gap, or no envelope: %+v", e)
					}
					if want := fmt.Sprint(next[e.Channel]); e.Data != want {
						t.Fatalf("%s has %s, want %s", e.Channel, e.Data, want)
					}
					next[e.Channel] += channels
					<-allowed
					left--
					stay--
					return stay > 0 && left > 0
				})
			}
			if err := <-published; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestPatternVectorIsBounded: however many channels there are, an id fits into the head
// of a request.
func TestPatternVectorIsBounded(t *testing.T) {
	s := newSite(t, siteOptions{})
	long := strings.Repeat("x", 180)
	response := s.open("/channels/**", fields{"Accept", "text/event-stream"})
	defer response.Body.Close()
	events := newEventReader(t, response)
	events.next()
	id := ""
	for i := range 200 {
		channel := fmt.Sprint("c/", i)
		if i%2 == 0 {
			channel += long
		}
		s.publish(channel, hub.Text, "x")
		if id = events.next().ID; len(id) > 4<<10 {
			t.Fatalf("an id of %d bytes", len(id))
		}
	}
	response.Body.Close()
	<-time.After(2 * time.Millisecond)
	s.publish("c/0"+long, hub.Text, "again")
	again := s.open("/channels/**", fields{"Accept", "text/event-stream", "Last-Event-ID", id})
	defer again.Body.Close()
	if again.StatusCode != http.StatusOK {
		t.Fatal(again.Status)
	}
	// What has gone out of the vector is a gap as far as it may have been seen.
	body := readUntil(t, again.Body, `"data":"again"}`)
	if !strings.Contains(body, `data: {"channel":"c/0`+long+`","from":"`) {
		t.Errorf("no gap in the channel before what is new: %s", body)
	}
}
