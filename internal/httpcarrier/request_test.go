package httpcarrier_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	. "github.com/godwit-io/godwit/internal/httpcarrier"
)

// The head of a request is the same by either driver.
func TestRequest(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		asked := make(chan string, 1)
		look := func(r *Request) string {
			if (r.HTTP() == nil) == (r.Loop() == nil) || (r.HTTP() != nil) != (w.driver == "net/http") {
				t.Errorf("%v, %v", r.HTTP(), r.Loop())
			}
			return strings.Join([]string{r.Method(), r.Path(), r.Query(), r.Host(), r.Get("x-b"), r.Cookie("c"), r.Cookie("none"), r.Get("None"),
				strings.Join(r.Values("X-B"), "+"), map[bool]string{true: "secure"}[r.IsSecure()], map[bool]string{true: "upgrade"}[r.IsUpgrade()]}, "|")
		}
		h := &calls{body: func(x Exchange, _ []byte) { _ = x.Respond(200, nil, nil) }}
		w.serve(h, Route{})
		route, _ := w.now()
		w.routing(func(r *Request) Route {
			asked <- look(r)
			if addr := r.RemoteAddr(); addr.IsValid() == w.virtual {
				t.Errorf("%v", addr)
			}
			return route(r)
		})
		w.admitting(func(r *Request) Admission {
			asked <- look(r)
			return Admission{Status: 403}
		})
		c := w.dial()
		c.send("GET /a%2Fb/c?d=%20&e HTTP/1.1\r\nHost: example.com:80\r\nX-B: 1\r\nx-b: 2\r\nCookie: a=b; c=\"d\"\r\n\r\n")
		if got, want := next(t, asked), `GET|/a%2Fb/c|d=%20&e|example.com:80|1|d|||1+2||`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		c.body(200, "")
		c.send(opening)
		if got, want := next(t, asked), `GET|/||x|||||||upgrade`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A WebSocket that an intermediary has spoilt is still one that was asked for.
func TestIsUpgrade(t *testing.T) {
	for head, want := range map[string]bool{
		"":                            false,
		"Upgrade: h2c":                false,
		"Upgrade: WebSocket":          true,
		"Upgrade: h2c, websocket":     true,
		"Sec-WebSocket-Key: anything": true,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if name, value, ok := strings.Cut(head, ": "); ok {
			r.Header.Set(name, value)
		}
		if got := OfHTTP(r).IsUpgrade(); got != want {
			t.Errorf("%s: %v", head, got)
		}
	}
	if got := OfHTTP(httptest.NewRequest("GET", "/?a", nil)).Values("X"); !slices.Equal(got, nil) {
		t.Errorf("%q", got)
	}
}
