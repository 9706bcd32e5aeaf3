//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
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
		case field.CanInt():
			do(of.Name, field)
		}
	}
}

// names reports whether err is about the option.
func names(err error, option string) bool {
	e, ok := errors.AsType[*ws.OptionError](err)
	return ok && e.Option == option && strings.HasPrefix(err.Error(), "websocket: ") && strings.Count(err.Error(), "websocket:") == 1
}

func TestDialRefusesNegativeOptions(t *testing.T) {
	var o ws.DialOptions
	o.NetDial = func(context.Context, string, string) (net.Conn, error) {
		t.Error("a connection is opened for options that are wrong")
		return nil, io.EOF
	}
	seen := 0
	numbers(reflect.ValueOf(&o).Elem(), func(name string, field reflect.Value) {
		seen++
		field.SetInt(-1)
		if _, _, err := ws.Dial(background, "ws://server.example/", &o); !names(err, name) || !ws.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
		field.SetInt(0)
	})
	if seen < 12 {
		t.Errorf("the test has lost the options: it knows %d", seen)
	}
	o.Compression = &deflate.Options{RatioMax: -1}
	if _, _, err := ws.Dial(background, "ws://server.example/", &o); !names(err, "Compression") {
		t.Errorf("Compression: %v", err)
	}
}

// A negative option is a mistake of the server's program: the client gets a 500
// that says nothing, and the program an error that names it.
func TestAcceptRefusesNegativeOptions(t *testing.T) {
	var o ws.AcceptOptions
	numbers(reflect.ValueOf(&o).Elem(), func(name string, field reflect.Value) {
		field.SetInt(-1)
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
		}
		if _, err := ws.Accept(w, r, &o); !names(err, name) {
			t.Errorf("%s: %v", name, err)
		}
		if w.Code != 500 || w.Body.String() != "Internal Server Error\n" || w.Header().Get("Connection") != "close" {
			t.Errorf("%s: answered %d %q", name, w.Code, w.Body)
		}
		field.SetInt(0)
	})
}

func TestConnOfNegativeOptionsHasEnded(t *testing.T) {
	for _, make := range []func(net.Conn, *ws.Options) *ws.Conn{ws.NewServerConn, ws.NewClientConn} {
		var o ws.Options
		numbers(reflect.ValueOf(&o).Elem(), func(name string, field reflect.Value) {
			field.SetInt(-1)
			near, far := net.Pipe()
			defer far.Close()
			conn := make(near, &o)
			select {
			case <-conn.Done():
			default:
				t.Fatalf("%s: lives", name)
			}
			e, ok := errors.AsType[*ws.OptionError](conn.Err())
			if !ok || e.Option != name {
				t.Errorf("%s: ended with %v", name, conn.Err())
			}
			if _, err := far.Read([]byte{0}); err != io.EOF {
				t.Errorf("%s: the transport is open: %v", name, err)
			}
			field.SetInt(0)
		})
	}
}

func TestRedialerRefusesNegativeOptions(t *testing.T) {
	r := ws.Redialer{URL: "ws://server.example/", DialOptions: &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("it dials")
		return nil, io.EOF
	}}}
	run := func(name string) {
		if err := r.Run(background, nil); !names(err, name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.BackoffMin = -1
	run("BackoffMin")
	r.BackoffMin, r.BackoffMax = 0, -1
	run("BackoffMax")
	r.BackoffMax, r.DialOptions.PingInterval = 0, -time.Second
	run("PingInterval")
}

// Options that the drivers have in common have the same names and types.
func TestOptionsHaveThoseOfAllDrivers(t *testing.T) {
	own, common := reflect.TypeFor[ws.Options](), reflect.TypeFor[driver.Options]()
	for i := range common.NumField() {
		want := common.Field(i)
		if got, ok := own.FieldByName(want.Name); !ok || got.Type != want.Type {
			t.Errorf("%s of %v is %v in ws.Options", want.Name, want.Type, got.Type)
		}
	}
}
