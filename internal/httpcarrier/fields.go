package httpcarrier

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/engine"
)

// parseFields makes a header of fields as engine.AppendField makes them. Like the engine
// it refuses fields that are not well-formed or not the application's to set.
func parseFields(fields []byte) (http.Header, error) {
	h := make(http.Header)
	scratch := make([]byte, 0, 128)
	for len(fields) > 0 {
		line, rest, ok := bytes.Cut(fields, []byte("\r\n"))
		if !ok {
			return nil, fmt.Errorf("%w: a line does not end with CR LF: %.100q", engine.ErrField, fields)
		}
		fields = rest
		name, value, ok := strings.Cut(string(line), ":")
		if !ok {
			return nil, fmt.Errorf("%w: %.100q is not a name, a colon and a value", engine.ErrField, line)
		}
		value = strings.Trim(value, " \t")
		if _, err := engine.AppendField(scratch, name, value); err != nil {
			return nil, err
		}
		h.Add(name, value)
	}
	return h, nil
}

// checkStatus returns an error for a status that is not final.
func checkStatus(status int) error {
	if status < 200 || status > 599 {
		return fmt.Errorf("%w, and %d is not", engine.ErrStatus, status)
	}
	return nil
}

// isBodiless reports whether a response of status has no content (RFC 9110 §6.4.1).
func isBodiless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}
