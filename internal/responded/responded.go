package responded

import (
	"net/http"
	"reflect"
)

// Already reports whether the response of w has begun: WriteHeader was called
// with a status that is final, or something was written or flushed. A connection
// that is taken over then carries that response first, and no handshake.
//
// It finds net/http's writer behind those that have Unwrap, and asks others that
// have Written, as those of several frameworks do. Of a writer that is neither it
// says no.
func Already(w http.ResponseWriter) bool {
	for {
		if asked, ok := w.(interface{ Written() bool }); ok && asked.Written() {
			return true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	// net/http has no way to ask, and lets a handler hijack at any time. Reading
	// the field of its writer is safe: it belongs to the handler's goroutine, and
	// a later version without it is only not asked.
	v := reflect.ValueOf(w)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || v.Elem().Type().PkgPath() != "net/http" {
		return false
	}
	began := v.Elem().FieldByName("wroteHeader")
	return began.Kind() == reflect.Bool && began.Bool()
}
