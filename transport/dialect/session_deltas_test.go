package dialect

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/fdelta"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// follower is a session in a hub, and its client, which rebuilds what it is sent as
// docs/protocol.md §8 says.
type follower struct {
	t       *testing.T
	hub     *hub.Session
	dialect *Session
	since   hub.Position
	base    []byte // the newest payload
	got     []string
	deltas  int
	id      int
}

func testSessionOptions() *SessionOptions {
	return &SessionOptions{
		Heartbeat: time.Minute, ConnectTimeout: time.Minute, PingInterval: time.Minute, Expiring: time.Minute,
		Reconnect: func(at int32) (time.Duration, int32) { return 0, at },
		Describe:  func(err error) Failure { return Failure{Problem: clientproto.ProblemInternal, Detail: err.Error()} },
	}
}

// connect begins on a new carrier: behind what the client has, if there was one before.
func (f *follower) connect() {
	var out Effects
	old := f.dialect
	f.dialect = NewSessionPoll(testSessionOptions(), time.Hour)
	f.dialect.Begin(epoch, &out)
	f.say(`"connect":{}`)
	if old != nil {
		f.hub.Suspend()
		f.dialect.Adopt(old, true)
	}
	f.dialect.Connected(epoch, &Connected{Tag: uint64(f.id), Session: f.hub.ID(), IsResumed: old != nil}, &out)
	f.base = nil
	since := ""
	if !f.since.IsZero() {
		since = fmt.Sprintf(`,"since":%q`, f.since)
	}
	f.say(`"subscribe":{"channel":"c","delta":"fossil","self":false` + since + `}`)
}

func (f *follower) say(command string) {
	var out Effects
	f.id++
	f.dialect.Receive(epoch, Frame{Data: fmt.Appendf(nil, `{"id":%d,%s}`, f.id, command)}, &out)
	for _, c := range out.Commands {
		if c.Kind == hub.CommandSubscribe {
			f.hub.Subscribe(c.Tag, c.Channel, c.Subscribe)
		}
	}
}

// hear takes what is owed. drop leaves a publication out, as conflation does.
func (f *follower) hear(drop func() bool) {
	for {
		pushes, err := f.hub.Take(nil)
		if err != nil {
			f.t.Fatal(err)
		}
		if len(pushes) == 0 {
			return
		}
		for _, p := range pushes {
			if p.Delivery != nil && drop() {
				f.since = p.Delivery.Position
				continue
			}
			var out Effects
			f.dialect.Push(epoch, []hub.Push{p}, &out)
			f.dialect.poll.pending = nil // in out, as pages
			if out.Closing == nil {
				continue
			}
			for _, object := range f.dialect.poll.sent {
				f.take(object)
			}
			f.dialect.poll.sent = nil
		}
	}
}

// take rebuilds a publication.
func (f *follower) take(object []byte) {
	var o struct {
		Channel, Position, Kind, Delta string
		Data                           json.RawMessage
		DataBase64                     []byte `json:"data_base64"`
		DeltaBase64                    []byte `json:"delta_base64"`
		OK                             struct{ Delta string }
	}
	if err := json.Unmarshal(object, &o); err != nil {
		f.t.Fatalf("%s: %v", object, err)
	}
	if o.Channel == "" {
		if strings.Contains(string(object), "error") || strings.HasPrefix(string(object), `{"id"`) && strings.Contains(string(object), "position") && o.OK.Delta != "fossil" {
			f.t.Fatalf("%s", object)
		}
		return
	}
	payload, kind := o.DataBase64, o.Kind
	switch delta := append([]byte(o.Delta), o.DeltaBase64...); {
	case len(delta) > 0:
		n, err := fdelta.OutputSize(delta)
		if err != nil || len(delta)*100 > n*deltaPercentMax {
			f.t.Errorf("a delta of %d bytes makes %d, %v", len(delta), n, err)
		}
		if payload, err = fdelta.Apply(f.base, delta); err != nil {
			f.t.Fatalf("%s: %v", object, err)
		}
		f.deltas++
	case o.Data != nil:
		var text string
		if err := json.Unmarshal(o.Data, &text); err != nil {
			f.t.Fatalf("%s: the text of a payload is lost", object)
		}
		payload = []byte(text)
		if kind == "" {
			kind = "text"
		}
	default:
		kind = "binary"
	}
	f.base = payload
	f.since, _ = hub.ParsePosition(o.Position)
	f.got = append(f.got, o.Position+kind+string(payload))
}

// TestDeltasRebuildWhatWasPublished, whatever comes between: publications of the
// session itself and excluded ones, gaps, ones left out, subscriptions that begin again.
func TestDeltasRebuildWhatWasPublished(t *testing.T) {
	deltas := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		broker, err := membroker.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		h, err := hub.New(broker, nil)
		if err != nil {
			t.Fatal(err)
		}
		session, err := h.Connect("session", func() {})
		if err != nil {
			t.Fatal(err)
		}
		f := &follower{t: t, hub: session}
		f.connect()
		f.hear(func() bool { return false })
		var want []string
		row := payloadOf(r, hub.JSON)
		for range 200 {
			switch r.IntN(12) {
			case 0:
				f.connect()
			case 1:
				row = payloadOf(r, hub.JSON)
			}
			kind := []hub.Kind{hub.JSON, hub.JSON, hub.JSON, hub.Text, hub.Binary}[r.IntN(5)]
			row = mutate(r, row, kind)
			m := hub.Message{Channel: "c", Kind: kind, Data: bytes.Clone(row)}
			excluded := r.IntN(8) == 0
			if excluded {
				m.Attributes = &hub.Attributes{Exclude: session.ID()}
			}
			position, _, err := h.Publish(t.Context(), m)
			if err != nil {
				t.Fatal(err)
			}
			before := len(f.got)
			dropped := false
			f.hear(func() bool { dropped = r.IntN(8) == 0; return dropped })
			if !excluded && !dropped {
				want = append(want, position.String()+kindNames[kind]+string(row))
			} else if len(f.got) > before && f.got[len(f.got)-1] == position.String()+kindNames[kind]+string(row) && excluded {
				t.Fatal("it was not excluded")
			}
		}
		if !slices.Equal(f.got, want) {
			for i := range min(len(want), len(f.got)) {
				if f.got[i] != want[i] {
					t.Fatalf("seed %d: publication %d of %d is %.200q, want %.200q", seed, i, len(want), f.got[i], want[i])
				}
			}
			t.Fatalf("seed %d: %d publications, want %d", seed, len(f.got), len(want))
		}
		deltas += f.deltas
		_ = h.Close()
	}
	if deltas < 1000 {
		t.Errorf("only %d deltas were sent", deltas)
	}
}

func payloadOf(r *rand.Rand, kind hub.Kind) []byte {
	rows := make([]string, 3+r.IntN(20))
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"symbol": "S%d", "price": %d.%02d, "name":"Ünïcode 🐦"}`, i, r.IntN(1000), r.IntN(100))
	}
	return []byte("[" + strings.Join(rows, ",") + "]")
}

// mutate changes a few digits, or makes it another kind.
func mutate(r *rand.Rand, row []byte, kind hub.Kind) []byte {
	if !json.Valid(row) {
		row = payloadOf(r, kind)
	}
	row = bytes.Clone(row)
	for range r.IntN(4) {
		if i := bytes.IndexByte(row[r.IntN(len(row)):], '.'); i > 0 {
			if at := bytes.IndexByte(row, '.') - 1; at > 0 && row[at] > '0' && row[at] < '9' {
				row[at]++
			}
		}
	}
	switch kind {
	case hub.Text:
		return append(row, " and text 斑尾"[:r.IntN(2)*7]...)
	case hub.Binary:
		return append(row, 0xFF, byte(r.IntN(256)))
	}
	return row
}

// FuzzDelta: a delta of any two payloads rebuilds the second, or there is none; what
// a client is sent is valid however the cut goes through characters.
func FuzzDelta(f *testing.F) {
	f.Add([]byte(`[{"a":1,"b":"é🐦é🐦é🐦é🐦é🐦é🐦"},{"a":1,"b":"é🐦é🐦é🐦é🐦é🐦é🐦"}]`), []byte(`[{"a":2,"b":"é🐦é🐦é🐦é🐦é🐦é"},{"a":1,"b":"é🐦é🐦é🐦é🐦é🐦é🐦"}]`), byte(2))
	f.Add([]byte{}, []byte("x"), byte(1))
	f.Fuzz(func(t *testing.T, base, data []byte, kind byte) {
		delta := fdelta.Create(base, data)
		w := writer{}
		w.envelopeDelta(&hub.Publication{Channel: "c", Position: at(1), Kind: hub.Kind(kind % 3), Data: data}, delta)
		var o struct {
			Delta  *string
			Base64 string `json:"delta_base64"`
		}
		if err := json.Unmarshal(w.b, &o); err != nil {
			t.Fatalf("%s: %v", w.b, err)
		}
		got, err := base64.StdEncoding.DecodeString(o.Base64)
		if o.Delta != nil {
			got = []byte(*o.Delta)
		}
		if err != nil || !bytes.Equal(got, delta) {
			t.Fatalf("%s is not the delta %q", w.b, delta)
		}
		if rebuilt, err := fdelta.Apply(base, got); err != nil || !bytes.Equal(rebuilt, data) {
			t.Fatalf("%v", err)
		}
	})
}
