package server

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

type tick struct {
	Symbol string
	Price  float64
	Change float64
}

func parseTick(t *testing.T, b []byte) tick {
	t.Helper()
	var v tick
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return v
}

func seeded() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

func TestDemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var messages []string
		var at []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		publish := func(_ context.Context, m hub.Message) error {
			if m.Channel != "demo/ticker" || m.Kind != hub.JSON {
				t.Errorf("published %+v", m)
			}
			messages, at = append(messages, string(m.Data)), append(at, time.Since(begin))
			return nil
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			runDemo(ctx, publish, seeded(), new(logBuffer).logger())
		}()
		time.Sleep(time.Second) // virtual
		synctest.Wait()
		cancel()
		<-ended
		if time.Since(begin) != time.Second {
			t.Errorf("it ended after %v", time.Since(begin))
		}
		if len(messages) != 5 {
			t.Fatalf("%d in a second: %q", len(messages), messages)
		}
		walk := walk{cents: 10000}
		random := seeded()
		price := 100.0
		for i, m := range messages {
			if at[i] != time.Duration(i+1)*demoInterval {
				t.Errorf("the %d. came after %v", i+1, at[i])
			}
			if want := string(walk.next(random)); m != want {
				t.Errorf("the same seed published %s and %s", m, want)
			}
			v := parseTick(t, []byte(m))
			if v.Symbol != "GDWT" || math.Abs(v.Price-price-v.Change) > 0.001 {
				t.Errorf("%s after %.2f", m, price)
			}
			price = v.Price
		}
	})
}

// It ends with the hub, and says once when it cannot publish.
func TestDemoFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		answers := []error{errors.New("first"), errors.New("second"), nil, errors.New("third"), hub.ErrShutdown}
		publish := func(context.Context, hub.Message) error {
			err := answers[0]
			answers = answers[1:]
			return err
		}
		runDemo(t.Context(), publish, seeded(), log.logger())
		if len(answers) != 0 {
			t.Error("it ended early")
		}
		if n := strings.Count(log.String(), "demo feed cannot publish"); n != 2 || strings.Contains(log.String(), "second") {
			t.Errorf("logged %d times:\n%s", n, log)
		}
	})
}

func TestDemoWalkStaysAbove(t *testing.T) {
	random := seeded()
	for _, from := range []int{100, 10_000, 1_000_000} {
		w := walk{cents: from}
		for range 10_000 {
			if v := parseTick(t, w.next(random)); v.Price < 1 {
				t.Fatalf("the price fell to %v", v.Price)
			}
		}
		if w.cents < 5_000 || w.cents > 15_000 {
			t.Errorf("from %d it went to %d and not back", from, w.cents)
		}
	}
}

// It runs by default on loopback only, and the setting decides otherwise.
func TestDemoDefault(t *testing.T) {
	for _, c := range []struct {
		listen string
		demo   *bool
		want   bool
	}{
		{"127.0.0.1:0", nil, true}, {"127.0.0.1:0", new(false), false}, {"0.0.0.0:0", nil, false}, {"0.0.0.0:0", new(true), true},
	} {
		s, err := New(Config{Listen: []string{c.listen}, Insecure: true, Demo: c.demo})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Demo() != c.want {
			t.Errorf("%+v: %v", c, s.Demo())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
