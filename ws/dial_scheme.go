//go:build !js

package ws

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"

	"github.com/godwit-io/godwit/internal/wrongscheme"
)

// otherScheme is what a URL should have had, if one side spoke TLS and the other
// did not.
var otherScheme = map[string]string{"ws": "wss", "wss": "ws", "http": "https", "https": "http"}

func useOther(scheme string) string {
	return "use " + otherScheme[scheme] + ":// instead of " + scheme + "://"
}

// explainTLS names the likely mistake behind a TLS handshake that failed.
func explainTLS(err error, scheme string) error {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case ok && wrongscheme.IsHTTP(record.RecordHeader[:]):
		return fmt.Errorf("the server answers in plain HTTP: %s, or the port where it has TLS: %w", useOther(scheme), err)
	case hasEnded(err):
		return fmt.Errorf("the server ended the connection during the TLS handshake; one that has no TLS (%s://) does that, too: %w", otherScheme[scheme], err)
	}
	return err
}

// explainAnswer names the likely mistake behind an answer in plain text that
// could not be read. first is how it begins.
func explainAnswer(err error, first []byte, scheme string) error {
	if wrongscheme.IsAlert(first) {
		return fmt.Errorf("the server answers with TLS: %s: %w", useOther(scheme), err)
	}
	if len(first) > 0 || !hasEnded(err) {
		return err
	}
	if scheme == "wss" || scheme == "https" {
		return fmt.Errorf("the server ended the connection without an answer: %w", err)
	}
	return fmt.Errorf("the server ended the connection without an answer; one that wants TLS (%s://) does that, too: %w", otherScheme[scheme], err)
}

// explainRefusal names the likely mistake behind a refusal.
func explainRefusal(err error, r *http.Response, body []byte, scheme string) error {
	if wrongscheme.WantsTLS(r.StatusCode, body) && (scheme == "ws" || scheme == "http") {
		return fmt.Errorf("the server wants TLS: %s: %w", useOther(scheme), err)
	}
	return err
}

func hasEnded(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
