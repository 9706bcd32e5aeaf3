package responded_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/godwit-io/godwit/internal/responded"
)

type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type opaque struct{ http.ResponseWriter }

type honest struct {
	http.ResponseWriter
	written bool
}

func (h honest) Written() bool { return h.written }

// It is net/http's own field that is read: this fails with a version that has
// another one.
func TestAlready(t *testing.T) {
	for name, c := range map[string]struct {
		act  func(w http.ResponseWriter)
		want bool
	}{
		"nothing":      {func(http.ResponseWriter) {}, false},
		"a field":      {func(w http.ResponseWriter) { w.Header().Set("X", "y") }, false},
		"103":          {func(w http.ResponseWriter) { w.WriteHeader(http.StatusEarlyHints) }, false},
		"WriteHeader":  {func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }, true},
		"nothing long": {func(w http.ResponseWriter) { w.Write(nil) }, true},
		"Write":        {func(w http.ResponseWriter) { io.WriteString(w, "x") }, true},
		"Flush":        {func(w http.ResponseWriter) { http.NewResponseController(w).Flush() }, true},
	} {
		got := make(chan [3]bool, 1)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c.act(w)
			got <- [3]bool{responded.Already(w), responded.Already(wrapped{wrapped{w}}), responded.Already(opaque{w})}
		}))
		response, err := http.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if g := <-got; g != [3]bool{c.want, c.want, false} {
			t.Errorf("%s: %v, want %v", name, g, c.want)
		}
		s.Close()
	}
	recorder := httptest.NewRecorder()
	recorder.WriteHeader(http.StatusOK)
	for name, c := range map[string]struct {
		w    http.ResponseWriter
		want bool
	}{
		"a recorder, which cannot be taken over": {recorder, false},
		"nil":                                    {nil, false},
		"one that says yes":                      {honest{nil, true}, true},
		"one that says no":                       {honest{nil, false}, false},
		"one behind another that says yes":       {wrapped{honest{nil, true}}, true},
		"one that says no before one of ours":    {honest{recorder, false}, false},
	} {
		if got := responded.Already(c.w); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
