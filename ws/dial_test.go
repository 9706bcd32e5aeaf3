package ws

import (
	"net/url"
	"testing"
)

func TestHostField(t *testing.T) {
	for in, want := range map[string]string{
		"ws://example.com/":             "example.com",
		"ws://example.com:8000/":        "example.com:8000",
		"ws://[::1]:8000/":              "[::1]:8000",
		"ws://[fe80::1%25eth0]/":        "[fe80::1]",
		"ws://[fe80::1%25eth0]:8000/ab": "[fe80::1]:8000",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := hostField(u); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
