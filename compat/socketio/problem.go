package socketio

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport/dialect"
)

// appendProblem appends what a client is told of an error: an object with the members of
// a problem document.
func appendProblem(dst []byte, f dialect.Failure) []byte {
	typ, title := f.Type, f.Title
	if f.Problem != nil && typ == "" {
		typ, title = f.Problem.Type(), f.Problem.Title
	}
	dst = append(dst, `{"type":`...)
	dst = jsontext.AppendString(dst, typ)
	dst = append(dst, `,"title":`...)
	dst = jsontext.AppendString(dst, title)
	if f.Problem != nil {
		dst = append(dst, `,"status":`...)
		dst = strconv.AppendInt(dst, int64(f.Problem.Status), 10)
	}
	if f.Detail != "" {
		dst = append(dst, `,"detail":`...)
		dst = jsontext.AppendString(dst, strings.TrimPrefix(f.Detail, "hub: "))
	}
	if f.RetryAfter > 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = strconv.AppendInt(dst, f.RetryAfter.Milliseconds(), 10)
	}
	if f.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = jsontext.AppendCompact(dst, f.Data)
	}
	return append(dst, '}')
}

// quoted is foreign text made fit for an error message.
func quoted(s string) string {
	const bytesMax = 64
	if len(s) <= bytesMax {
		return fmt.Sprintf("%q", s)
	}
	cut := bytesMax
	for cut > bytesMax-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q…", s[:cut])
}
