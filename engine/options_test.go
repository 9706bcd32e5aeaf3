package engine_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
)

// numbers calls do for every field of a struct of options that is a number or a
// duration, those of embedded structs included.
func numbers(options reflect.Value, do func(name string, field reflect.Value)) {
	for i := range options.NumField() {
		field, of := options.Field(i), options.Type().Field(i)
		switch {
		case of.Anonymous && field.Kind() == reflect.Struct:
			numbers(field, do)
		case of.IsExported() && field.CanInt():
			do(of.Name, field)
		}
	}
}

// names reports whether err is about the option.
func names(err error, option string) bool {
	e, ok := errors.AsType[*engine.OptionError](err)
	return ok && e.Option == option && strings.HasPrefix(err.Error(), "engine: option ")
}

// A server with a negative option does not begin, whatever it is asked for first.
func TestServerRefusesNegativeOptions(t *testing.T) {
	seen := 0
	numbers(reflect.ValueOf(&engine.Server{}).Elem(), func(name string, _ reflect.Value) {
		seen++
		wrong := func() *engine.Server {
			s := &engine.Server{Handler: engine.NopHandler{}}
			reflect.ValueOf(s).Elem().FieldByName(name).SetInt(-1)
			return s
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := wrong().Serve(ln); !names(err, name) {
			t.Errorf("%s: Serve: %v", name, err)
		}
		near, far := net.Pipe()
		if _, err := wrong().Adopt(near, engine.Adoption{}); !names(err, name) {
			t.Errorf("%s: Adopt: %v", name, err)
		}
		if _, err := far.Read([]byte{0}); err != io.EOF {
			t.Errorf("%s: the transport is open: %v", name, err)
		}
		w := httptest.NewRecorder()
		if _, err := wrong().Upgrade(w, httptest.NewRequest("GET", "/", nil), engine.Admission{}); !names(err, name) || w.Code != 500 {
			t.Errorf("%s: Upgrade: %d, %v", name, w.Code, err)
		}
	})
	if seen < 15 {
		t.Errorf("the test has lost the options: it knows %d", seen)
	}
}

func TestServerRefusesOtherOptions(t *testing.T) {
	for name, s := range map[string]*engine.Server{
		"Compression": {Options: engine.Options{Compression: &deflate.Options{RatioMax: -1}}},
		"Loops":       {Loops: engine.NoLimit},
	} {
		s.Handler = engine.NopHandler{}
		if err := s.ListenAndServe("127.0.0.1:0"); !names(err, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Limits that are wrong leave a connection with those it has, and do not let a new
// one in.
func TestNegativeLimits(t *testing.T) {
	n := newNotes()
	wrong := &engine.Options{MessageBytesMax: -1}
	s := &engine.Server{Handler: n, Loops: 1, Log: slog.New(slog.DiscardHandler)}
	s.Admit = func(r *engine.Request) engine.Admission {
		if r.Path() == "/wrong" {
			return engine.Admission{Limits: wrong}
		}
		return engine.Admission{}
	}
	address := start(t, s)
	client := upgrade(t, address)
	if err := next(t, n.open).SetLimits(wrong); !names(err, "MessageBytesMax") {
		t.Errorf("SetLimits: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest("GET", "http://"+address+"/wrong", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("Admit: answered %s", response.Status)
	}
	near, far := net.Pipe()
	if _, err := s.Adopt(near, engine.Adoption{Limits: wrong}); !names(err, "MessageBytesMax") {
		t.Errorf("Adopt: %v", err)
	}
	if _, err := far.Read([]byte{0}); err != io.EOF {
		t.Errorf("the transport is open: %v", err)
	}
}

// Options that the drivers have in common have the same names and types.
func TestOptionsHaveThoseOfAllDrivers(t *testing.T) {
	own, common := reflect.TypeFor[engine.Options](), reflect.TypeFor[driver.Options]()
	for i := range common.NumField() {
		want := common.Field(i)
		if got, ok := own.FieldByName(want.Name); !ok || got.Type != want.Type {
			t.Errorf("%s of %v is %v in engine.Options", want.Name, want.Type, got.Type)
		}
	}
}
