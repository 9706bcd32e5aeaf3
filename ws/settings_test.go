//go:build !js

package ws

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
)

func settingsOf(t *testing.T, o Options, role wsproto.Role) *settings {
	t.Helper()
	s, err := newSettings(o, role)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Settings are shared exactly when every option is equal: a field that the key
// forgets would give a connection the options of another.
func TestSettingsAreSharedOnlyWhenEqual(t *testing.T) {
	base := Options{Compression: &deflate.Options{}}
	shared := settingsOf(t, base, wsproto.Server)
	if again := settingsOf(t, Options{Compression: &deflate.Options{}}, wsproto.Server); again != shared {
		t.Error("equal options are not shared")
	}
	if settingsOf(t, base, wsproto.Client) == shared {
		t.Error("shared between roles")
	}
	options := reflect.TypeFor[Options]()
	for i := range options.NumField() {
		o := base
		field := reflect.ValueOf(&o).Elem().Field(i)
		switch field.Interface().(type) {
		case int, int64, time.Duration:
			field.SetInt(12345)
		case *deflate.Options:
			field.Set(reflect.ValueOf(&deflate.Options{ThresholdBytes: 7}))
		case func(context.Context, int, bool) error:
			field.Set(reflect.ValueOf(func(context.Context, int, bool) error { return nil }))
		case func(*Conn, int):
			field.Set(reflect.ValueOf(func(*Conn, int) {}))
		case nil: // an interface
			field.Set(reflect.ValueOf(observerOfNothing{}))
		default:
			t.Fatalf("%s has a type that this test does not know", options.Field(i).Name)
		}
		changed := settingsOf(t, o, wsproto.Server)
		if changed == settingsOf(t, base, wsproto.Server) {
			t.Errorf("options that differ in %s are shared", options.Field(i).Name)
		}
	}
}

type observerOfNothing struct{}

func (observerOfNothing) OnOpen(*Conn)               {}
func (observerOfNothing) OnFrame(*Conn, Frame)       {}
func (observerOfNothing) OnClose(*Conn, *CloseError) {}
