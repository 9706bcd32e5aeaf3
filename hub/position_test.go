package hub_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestParsePosition(t *testing.T) {
	for _, test := range []struct {
		text    string
		want    hub.Position
		problem string
	}{
		{"e:0", hub.Position{Epoch: "e"}, ""},
		{"A_z-9:42", hub.Position{Epoch: "A_z-9", Offset: 42}, ""},
		{"e:18446744073709551615", hub.Position{Epoch: "e", Offset: math.MaxUint64}, ""},
		{strings.Repeat("x", 32) + ":1", hub.Position{Epoch: strings.Repeat("x", 32), Offset: 1}, ""},

		{"", hub.Position{}, "no colon"},
		{"42", hub.Position{}, "no colon"},
		{":1", hub.Position{}, "epoch is missing"},
		{"e:", hub.Position{}, "offset is missing"},
		{":", hub.Position{}, "epoch is missing"},
		{"e:01", hub.Position{}, "leading zero"},
		{"e:00", hub.Position{}, "leading zero"},
		{"e:+1", hub.Position{}, "decimal digits"},
		{"e:-1", hub.Position{}, "decimal digits"},
		{"e:1_0", hub.Position{}, "decimal digits"},
		{"e:0x1", hub.Position{}, "leading zero"},
		{"e:1:2", hub.Position{}, "decimal digits"},
		{"e:1 ", hub.Position{}, "decimal digits"},
		{"e:٣", hub.Position{}, "decimal digits"},
		{"e:18446744073709551616", hub.Position{}, "64 bits"},
		{"e:" + strings.Repeat("9", 10_000), hub.Position{}, "64 bits"},
		{" e:1", hub.Position{}, "epoch"},
		{"é:1", hub.Position{}, "epoch"},
		{"e/:1", hub.Position{}, "epoch"},
		{strings.Repeat("x", 33) + ":1", hub.Position{}, "longer"},
	} {
		got, err := hub.ParsePosition(test.text)
		if got != test.want {
			t.Errorf("%.40q is %+v, want %+v", test.text, got, test.want)
		}
		var fault *hub.PositionError
		switch {
		case test.problem == "" && err != nil:
			t.Errorf("%.40q: %v", test.text, err)
		case test.problem == "":
			if got.String() != test.text || string(got.AppendTo([]byte("x"))) != "x"+test.text {
				t.Errorf("%q is written %q", test.text, got)
			}
		case !errors.As(err, &fault) || !strings.Contains(fault.Problem, test.problem) ||
			!strings.Contains(err.Error(), "EPOCH:OFFSET") || len(err.Error()) > 300:
			t.Errorf("%.40q: %v, want a *PositionError that says %q", test.text, err, test.problem)
		}
	}
}

func TestPositionAsText(t *testing.T) {
	type doc struct{ A, B hub.Position }
	in := doc{A: hub.Position{Epoch: "e", Offset: 7}}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"A":"e:7","B":""}` {
		t.Fatalf("written as %s, error %v", text, err)
	}
	out := doc{B: hub.Position{Epoch: "x", Offset: 1}}
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("read back as %+v, error %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"e"}`), &out); err == nil || out.A != in.A {
		t.Errorf("a bad position gave %+v, error %v", out, err)
	}
	for _, p := range []hub.Position{{Offset: 1}, {Epoch: "a:b", Offset: 1}, {Epoch: strings.Repeat("x", 33)}} {
		if text, err := p.MarshalText(); err == nil {
			t.Errorf("%+v was written as %q", p, text)
		}
	}
	if zero := (hub.Position{}); !zero.IsZero() || zero.String() != "" || len(zero.AppendTo(nil)) != 0 {
		t.Error("the zero position is not empty")
	}
	if (hub.Position{Epoch: "e"}).IsZero() {
		t.Error("offset 0 of an epoch is a place")
	}
}

func FuzzPosition(f *testing.F) {
	for _, text := range []string{"e:0", "abc_-9:18446744073709551615", "e:01", ":", "e:18446744073709551616", "a:b:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := hub.ParsePosition(text)
		if err != nil {
			if p != (hub.Position{}) {
				t.Errorf("%q failed and gave %+v", text, p)
			}
			return
		}
		if p.String() != text {
			t.Errorf("%q is read as %+v and written %q", text, p, p)
		}
		marshalled, err := p.MarshalText()
		var again hub.Position
		if err != nil || again.UnmarshalText(marshalled) != nil || again != p {
			t.Errorf("%q does not survive text: %q, %v", text, marshalled, err)
		}
	})
}
