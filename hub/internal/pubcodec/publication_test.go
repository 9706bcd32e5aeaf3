package pubcodec

import (
	"reflect"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// fill sets every field below v to something. A field that is added to what crosses
// from process to process, and is not encoded, is found by that.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000, 123_456_789).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.String:
		v.SetString("text of " + v.Type().String())
	case reflect.Slice:
		v.SetBytes([]byte("payload"))
	case reflect.Uint8:
		v.SetUint(1)
	case reflect.Uint64:
		v.SetUint(1 << 40)
	case reflect.Int, reflect.Int64:
		v.SetInt(77)
	default:
		t.Fatalf("what to do with a %s?", v.Type())
	}
}

func full[T any](t *testing.T) (v T) {
	fill(t, reflect.ValueOf(&v).Elem())
	return v
}

func TestEverythingIsEncoded(t *testing.T) {
	p := full[hub.Publication](t)
	f := Fields{B: AppendPublication(nil, &p)}
	if got := f.Publication(p.Channel, p.Position.Epoch); f.Rest() != nil || !reflect.DeepEqual(got, &p) {
		t.Errorf("%+v became %+v, %v", p, got, f.Err)
	}
	m := full[hub.Message](t)
	f = Fields{B: AppendMessage(nil, &m)}
	if got := f.Message(); f.Rest() != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("%+v became %+v, %v", m, got, f.Err)
	}
	r := full[hub.Retention](t)
	f = Fields{B: AppendRetention(nil, r)}
	if got := f.Retention(); f.Rest() != nil || got != r {
		t.Errorf("%+v became %+v, %v", r, got, f.Err)
	}
	q := full[hub.Query](t)
	f = Fields{B: AppendQuery(nil, q)}
	if got := f.Query(); f.Rest() != nil || got != q {
		t.Errorf("%+v became %+v, %v", q, got, f.Err)
	}
	g := full[hub.Gap](t)
	f = Fields{B: AppendGap(nil, &g)}
	if got := f.Gap(); f.Rest() != nil || *got != g {
		t.Errorf("%+v became %+v, %v", g, got, f.Err)
	}
	c := full[hub.ChannelInfo](t)
	c.Subscribers = 0 // of a hub
	f = Fields{B: AppendChannelInfo(nil, &c)}
	if got := f.ChannelInfo(); f.Rest() != nil || got != c {
		t.Errorf("%+v became %+v, %v", c, got, f.Err)
	}
	pos := full[hub.Position](t)
	f = Fields{B: AppendPosition(nil, pos)}
	if got := f.Position(); f.Rest() != nil || got != pos {
		t.Errorf("%+v became %+v, %v", pos, got, f.Err)
	}
}

// A publication with few fields, and every beginning of one with all.
func TestPrefixes(t *testing.T) {
	plain := hub.Publication{Channel: "c", Position: hub.Position{Epoch: "E", Offset: 1}, Time: time.Unix(0, 1).UTC(), Data: []byte{}}
	f := Fields{B: AppendPublication(nil, &plain)}
	if got := f.Publication("c", "E"); f.Rest() != nil || !reflect.DeepEqual(got, &plain) {
		t.Errorf("%+v became %+v, %v", plain, got, f.Err)
	}
	p := full[hub.Publication](t)
	b := AppendPublication(nil, &p)
	for n := range b {
		f := Fields{B: b[:n:n]}
		if f.Publication("c", "E"); f.Err != ErrMalformed {
			t.Errorf("%d of %d bytes are no error", n, len(b))
		}
	}
	if f := (Fields{B: append(b, 0)}); f.Publication("c", "E") == nil || f.Rest() != ErrMalformed {
		t.Error("what is behind it was not noticed")
	}
	if f := (Fields{B: []byte{2}}); f.Bool() || f.Err != nil && f.Err != ErrMalformed || f.Err == nil {
		t.Error("a bool is 0 or 1")
	}
	if f := (Fields{B: AppendUint(nil, 1<<40)}); f.Length() != 0 || f.Err == nil {
		t.Error("a length was too large for an int of 32 bits")
	}
}

// FuzzPublication: what can be decoded means the same when it is encoded again, and
// nothing else takes memory beyond its own size.
func FuzzPublication(f *testing.F) {
	p := hub.Publication{Position: hub.Position{Offset: 7}, Previous: 6, Time: time.Unix(5, 4), Data: []byte("data"), Publisher: "me",
		Attributes: &hub.Attributes{Event: "e", Trace: "t", Expires: time.Unix(9, 0)}}
	f.Add(AppendPublication(nil, &p))
	m := hub.Message{Channel: "c", Data: []byte("data"), IdempotencyKey: "k"}
	f.Add(AppendMessage(nil, &m))
	f.Fuzz(func(t *testing.T, b []byte) {
		one := Fields{B: b}
		if p := one.Publication("c", "E"); one.Err == nil {
			again := Fields{B: AppendPublication(nil, p)}
			if q := again.Publication("c", "E"); again.Rest() != nil || !reflect.DeepEqual(p, q) {
				t.Errorf("%+v became %+v, %v", p, q, again.Err)
			}
		}
		one = Fields{B: b}
		if m := one.Message(); one.Err == nil {
			again := Fields{B: AppendMessage(nil, &m)}
			if n := again.Message(); again.Rest() != nil || !reflect.DeepEqual(m, n) {
				t.Errorf("%+v became %+v, %v", m, n, again.Err)
			}
		}
	})
}
