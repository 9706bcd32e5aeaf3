package api

import (
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
)

func everybody(*http.Request) (*access.Identity, error) { return access.Everybody, nil }

// Every number is refused by its name when it is negative.
func TestNegativeOptions(t *testing.T) {
	of := reflect.TypeFor[Options]()
	count := 0
	for i := range of.NumField() {
		if kind := of.Field(i).Type.Kind(); kind < reflect.Int || kind > reflect.Int64 {
			continue
		}
		count++
		o := &Options{Hub: new(hub.Hub), Identify: everybody}
		reflect.ValueOf(o).Elem().Field(i).SetInt(-1)
		_, err := New(o)
		if says := regexp.MustCompile(`^api: option ` + of.Field(i).Name + `: -1(ns)? is negative; 0 is the default`); err == nil || !says.MatchString(err.Error()) {
			t.Errorf("%s: %v", of.Field(i).Name, err)
		}
	}
	if count != 5 {
		t.Errorf("%d numbers", count)
	}
}

func TestOptionsThatAreMissing(t *testing.T) {
	for _, row := range []struct {
		o    *Options
		says string
	}{
		{nil, "needs a Hub"},
		{&Options{Identify: everybody}, "needs a Hub"},
		{&Options{Hub: new(hub.Hub)}, "Identify"},
		{&Options{Hub: new(hub.Hub), Identify: everybody, Revoke: func(identity.Revocation) error { return nil }}, "belong together"},
		{&Options{Hub: new(hub.Hub), Identify: everybody, IsRevoked: func(*access.Identity) bool { return false }}, "belong together"},
	} {
		if _, err := New(row.o); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%+v: %v", row.o, err)
		}
	}
}
