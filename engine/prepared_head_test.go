package engine_test

import (
	"errors"
	"io"
	"testing"

	"github.com/godwit-io/godwit/engine"
)

// twin answers with a prepared head, or with the same head unprepared.
type twin struct {
	engine.NopResponder
	status int
	head   *engine.PreparedHead
	fields []byte
	body   string
	failed chan error
}

func (h *twin) OnBody(x engine.Exchange, _ []byte) {
	if x.Value() == true {
		h.failed <- x.RespondPrepared(h.head, []byte(h.body))
		return
	}
	h.failed <- x.Respond(h.status, h.fields, []byte(h.body))
}

// A prepared head makes the response that the same status and fields make.
func TestPreparedHead(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		fields := append(field("Content-Type", "text/plain"), field("Cache-Control", "no-store")...)
		h := &twin{status: 201, fields: fields, body: "content", failed: make(chan error, 1)}
		var err error
		if h.head, err = engine.PrepareHead(201, fields); err != nil {
			t.Fatal(err)
		}
		clear(h.fields[len(h.fields)-4:]) // it has copied them
		h.fields = append(field("Content-Type", "text/plain"), field("Cache-Control", "no-store")...)
		s.Handler = echo{}
		s.Route = func(r *engine.Request) engine.Route {
			return engine.Route{Responder: h, Value: r.Path() == "/prepared"}
		}
		address := start(t, s)
		c := connect(t, address)
		var got [2]string
		for i, path := range []string{"/prepared", "/"} {
			c.send(t, []byte("GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"))
			r := c.response(t)
			if err := next(t, h.failed); err != nil {
				t.Error(path, err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Del("Date")
			got[i] = r.Status + " " + string(body) + " " + r.Header.Get("Content-Length")
			for name, values := range r.Header {
				if name != "Content-Type" && name != "Cache-Control" && name != "Content-Length" || len(values) != 1 {
					t.Errorf("%s has %s: %q", path, name, values)
				}
			}
			got[i] += r.Header.Get("Content-Type") + r.Header.Get("Cache-Control")
		}
		if got[0] != got[1] || got[0] != "201 Created content 7text/plainno-store" {
			t.Errorf("prepared it is %q, else %q", got[0], got[1])
		}
	})
}

func TestPrepareHeadRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		fields string
		want   error
	}{
		"status":    {101, "", engine.ErrStatus},
		"own field": {200, "Connection: close\r\n", engine.ErrField},
		"line":      {200, "A: b\n", engine.ErrField},
	} {
		if _, err := engine.PrepareHead(tt.status, []byte(tt.fields)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h, err := engine.PrepareHead(204, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := (engine.Exchange{}).RespondPrepared(h, []byte("content")); err != engine.ErrNoContent {
		t.Errorf("content of a 204: %v", err)
	}
	if err := (engine.Exchange{}).RespondPrepared(h, nil); err != engine.ErrExchangeOver {
		t.Errorf("an exchange that is over: %v", err)
	}
}
