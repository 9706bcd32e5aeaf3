package wrongscheme_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/wrongscheme"
)

func TestIsAlert(t *testing.T) {
	for answer, want := range map[string]bool{
		"\x15\x03\x01\x00\x02\x02\x46": true, "\x15\x03\x03": true, "\x15\x03": false, "": false,
		"\x16\x03\x01\x00\x02": false, "HTTP/1.1 200 OK": false, "\x15\x03\x05": false,
	} {
		if got := wrongscheme.IsAlert([]byte(answer)); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}

func TestIsHTTP(t *testing.T) {
	for answer, want := range map[string]bool{"HTTP/": true, "HTTP/1.0 400": true, "HTTP": false, "SSH-2": false, "": false} {
		if got := wrongscheme.IsHTTP([]byte(answer)); got != want {
			t.Errorf("%q: %v", answer, got)
		}
	}
}

func TestWantsTLS(t *testing.T) {
	for body, want := range map[string]bool{
		"Client sent an HTTP request to an HTTPS server.\n":                       true,
		"<center>The plain HTTP request was sent to HTTPS port</center>":          true,
		"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />": true,
		"Bad Request\nThis combination of host and port requires TLS.\n":          true,
		"the Origin is missing": false,
		"":                      false,
	} {
		if got := wrongscheme.WantsTLS(400, []byte(body)); got != want {
			t.Errorf("%q: %v", body, got)
		}
		if wrongscheme.WantsTLS(497, []byte(body)) != want || wrongscheme.WantsTLS(404, []byte(body)) {
			t.Errorf("%q with another status", body)
		}
	}
}
