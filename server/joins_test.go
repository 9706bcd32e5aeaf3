package server

import (
	"testing"
	"time"
)

func TestParseJoins(t *testing.T) {
	for text, want := range map[string]Joins{"off": JoinsOff, "1s": Joins(time.Second), "250ms": Joins(250 * time.Millisecond)} {
		if got, err := ParseJoins(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "on", "OFF", "1", "x"} {
		if got, err := ParseJoins(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if got, err := ParseJoins("-1ns"); err != nil || got == JoinsOff {
		t.Errorf("-1ns is %v, %v", got, err)
	}
}

func FuzzParseJoins(f *testing.F) {
	f.Add("off")
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, text string) {
		j, err := ParseJoins(text)
		if err != nil {
			return
		}
		if again, err := ParseJoins(j.String()); err != nil || again != j {
			t.Errorf("%q is %v, which is written as something that is %v, %v", text, j, again, err)
		}
	})
}
