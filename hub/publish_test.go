package hub_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestPublishValidates(t *testing.T) {
	h := newHub(t, nil, &hub.Options{PublicationBytesMax: 16})
	var name *hub.NameError
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "a/*"}); !errors.As(err, &name) {
		t.Errorf("a pattern: %v, want a *NameError", err)
	}
	key := strings.Repeat("k", 255)
	for _, test := range []struct {
		what string
		m    hub.Message
		want error
	}{
		{"empty", hub.Message{}, nil},
		{"at the limit", hub.Message{Data: make([]byte, 16), Kind: hub.Binary}, nil},
		{"over the limit", hub.Message{Data: make([]byte, 17), Kind: hub.Binary}, hub.ErrTooLarge},
		{"text", hub.Message{Data: []byte("grüezi\x00")}, nil},
		{"not UTF-8", hub.Message{Data: []byte("gr\xfcezi")}, hub.ErrTextNotUTF8},
		{"binary", hub.Message{Data: []byte("gr\xfcezi"), Kind: hub.Binary}, nil},
		{"JSON", hub.Message{Data: []byte(` [1, "ü"] `), Kind: hub.JSON}, nil},
		{"JSON scalar", hub.Message{Data: []byte(`null`), Kind: hub.JSON}, nil},
		{"no JSON", hub.Message{Kind: hub.JSON}, hub.ErrNotJSON},
		{"bad JSON", hub.Message{Data: []byte(`{a:1}`), Kind: hub.JSON}, hub.ErrNotJSON},
		{"two JSON", hub.Message{Data: []byte(`1 2`), Kind: hub.JSON}, hub.ErrNotJSON},
		{"JSON not UTF-8", hub.Message{Data: []byte("\"\xff\""), Kind: hub.JSON}, hub.ErrNotJSON},
		{"unknown kind", hub.Message{Kind: 3}, hub.ErrKind},
		{"longest key", hub.Message{IdempotencyKey: key}, nil},
		{"key too long", hub.Message{IdempotencyKey: key + "k"}, hub.ErrIdempotencyKey},
		{"key with space", hub.Message{IdempotencyKey: `a "b" ~`}, nil},
		{"key with newline", hub.Message{IdempotencyKey: "a\n"}, hub.ErrIdempotencyKey},
		{"key with DEL", hub.Message{IdempotencyKey: "\x7f"}, hub.ErrIdempotencyKey},
		{"key not ASCII", hub.Message{IdempotencyKey: "ü"}, hub.ErrIdempotencyKey},
	} {
		test.m.Channel = "c"
		if _, _, err := h.Publish(t.Context(), test.m); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.what, err, test.want)
		}
	}
	if got := h.Stats(); got.Publications != 8 || got.PublicationBytes != 16+8+6+11+4 {
		t.Errorf("counted %d publications of %d bytes", got.Publications, got.PublicationBytes)
	}
}

func TestPublishDuplicate(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	m := hub.Message{Channel: "c", Data: []byte("once"), IdempotencyKey: "k"}
	first, duplicate, err := h.Publish(t.Context(), m)
	if err != nil || duplicate {
		t.Fatalf("first: duplicate %v, error %v", duplicate, err)
	}
	if o := e.publish(m); o.Position != first || !o.Duplicate || o.Err != nil {
		t.Errorf("again: %+v", o)
	}
	want(t, e.drain(), "once")
	if got := h.Stats(); got.Publications != 1 || got.Duplicates != 1 {
		t.Errorf("counted %d publications and %d duplicates", got.Publications, got.Duplicates)
	}
}

func TestPublishKeepsData(t *testing.T) {
	h := newHub(t, nil, nil)
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	data := []byte("x")
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: data}); err != nil {
		t.Fatal(err)
	}
	if got := e.drain(); &got[0].Delivery.Data[0] != &data[0] {
		t.Error("the payload was copied")
	}
}

func TestBrokerErrorsAreRecognised(t *testing.T) {
	broker, err := membroker.New(&membroker.Options{ChannelsMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	e.subscribe("a", hub.SubscribeOptions{})
	if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "b"}); !errors.Is(err, hub.ErrTooManyChannels) {
		t.Errorf("Publish: %v", err)
	}
	if err := e.trySubscribe("b", hub.SubscribeOptions{}); !errors.Is(err, hub.ErrTooManyChannels) {
		t.Errorf("Subscribe: %v", err)
	}
	if got := h.Stats(); got.Channels != 1 || got.Subscriptions != 1 {
		t.Errorf("a failed Subscribe left %d channels and %d subscriptions", got.Channels, got.Subscriptions)
	}
	e.unsubscribe("a")
	e.subscribe("b", hub.SubscribeOptions{})
}

// TestOptions: negative values are refused, and a refused hub leaves its broker alone.
func TestOptions(t *testing.T) {
	for name, o := range map[string]hub.Options{
		"Retention.Count": {Retention: hub.Retention{Count: -1}}, "Retention.Age": {Retention: hub.Retention{Age: -1}, NoHistory: true},
		"PublicationBytesMax": {PublicationBytesMax: -1}, "QueueCountMax": {QueueCountMax: -1}, "QueueBytesMax": {QueueBytesMax: -1},
		"SubscriptionsMax": {SubscriptionsMax: -1}, "CommandsMax": {CommandsMax: -1}, "CallsMax": {CallsMax: -1},
	} {
		broker := newBroker()
		_, err := hub.New(broker, &o)
		if e, ok := errors.AsType[*hub.OptionError](err); !ok || e.Option != name || !strings.HasPrefix(err.Error(), "hub: option "+name+": -1") {
			t.Errorf("%s: %v", name, err)
		}
		if err := broker.Close(); err != nil {
			t.Errorf("a refused hub took its broker with it: %v", err)
		}
	}
	if _, err := hub.New(nil, nil); err == nil {
		t.Error("no broker was accepted")
	}
	e := connect(t, newHub(t, nil, nil))
	err := e.trySubscribe("c", hub.SubscribeOptions{Last: -1})
	if refused, ok := errors.AsType[*hub.OptionError](err); !ok || refused.Option != "Last" {
		t.Errorf("Last of -1: %v", err)
	}
	e.subscribe("c", hub.SubscribeOptions{}) // which it is not yet
}

// TestNoLimit: a session without limits holds everything that it is given.
func TestNoLimit(t *testing.T) {
	h := newHub(t, nil, &hub.Options{
		Retention: hub.Retention{Count: hub.NoLimit, Age: hub.NoLimit}, PublicationBytesMax: hub.NoLimit,
		QueueCountMax: hub.NoLimit, QueueBytesMax: hub.NoLimit, SubscriptionsMax: hub.NoLimit, CommandsMax: hub.NoLimit, CallsMax: hub.NoLimit,
	})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	const n = 2 * hub.DefaultRetentionCount
	for range n {
		publish(t, h, "c", "x")
	}
	publish(t, h, "c", strings.Repeat("x", hub.DefaultQueueBytesMax+1))
	if got := e.drain(); len(got) != n+1 {
		t.Errorf("%d publications, want %d", len(got), n+1)
	}
	late := connect(t, h)
	late.subscribe("c", hub.SubscribeOptions{Last: hub.NoLimit})
	if got := late.drain(); len(got) != n+1 {
		t.Errorf("%d publications are replayed, want %d", len(got), n+1)
	}
	if e.IsBusy() {
		t.Error("a session without a limit on its commands is busy")
	}
}

func TestDeliveryEncodedOnce(t *testing.T) {
	d := &hub.Delivery{Publication: &hub.Publication{Data: []byte("x")}}
	var encoded atomic.Int32
	form := hub.NewForm(func(p *hub.Publication) []byte { encoded.Add(1); return append([]byte("form "), p.Data...) })
	other := hub.NewForm(func(p *hub.Publication) string { return "other " + string(p.Data) })
	var wg sync.WaitGroup
	var results [8]*byte
	for i := range results {
		wg.Go(func() {
			b := form.Of(d)
			if string(b) != "form x" {
				t.Errorf("encoded as %q", b)
			}
			if s := other.Of(d); s != "other x" {
				t.Errorf("the other form is %q", s)
			}
			results[i] = &b[0]
		})
	}
	wg.Wait()
	for _, r := range results {
		if r != results[0] {
			t.Error("two encodings are in use")
		}
	}
	before := encoded.Load()
	if form.Of(d); encoded.Load() != before {
		t.Error("encoded again")
	}
	if b := form.Encode(d.Publication); string(b) != "form x" || &b[0] == results[0] {
		t.Errorf("for one alone it is %q", b)
	}
}
