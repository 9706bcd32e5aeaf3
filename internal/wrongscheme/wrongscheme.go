package wrongscheme

import (
	"bytes"
	"strings"
)

// IsAlert reports whether what a server answers plain text with begins like an
// alert of TLS (RFC 8446 §5.1: type 21, version 3.x). Of an answer that is
// shorter than 3 bytes it says no.
func IsAlert(answer []byte) bool {
	return len(answer) >= 3 && answer[0] == 21 && answer[1] == 3 && answer[2] <= 4
}

// IsHTTP reports whether the beginning of what a server answers a TLS handshake
// with, 5 bytes at least, is that of a response of HTTP/1.
func IsHTTP(answer []byte) bool { return bytes.HasPrefix(answer, []byte("HTTP/")) }

// complaints are what web servers say, in plain text, to plain text at their TLS ports.
var complaints = []string{
	"http request to an https server",
	"plain http request was sent to https port",
	"speaking plain http to an ssl-enabled",
	"combination of host and port requires tls",
}

// WantsTLS reports whether a response is such a complaint: Go's, nginx's,
// Apache's or Tomcat's. Nginx has the status 497 for it, and mostly shows 400.
func WantsTLS(status int, body []byte) bool {
	if status != 400 && status != 497 {
		return false
	}
	text := strings.ToLower(string(body))
	for _, complaint := range complaints {
		if strings.Contains(text, complaint) {
			return true
		}
	}
	return false
}
