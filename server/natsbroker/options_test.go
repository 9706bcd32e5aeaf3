package natsbroker

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestOptionsAreJudged(t *testing.T) {
	url := []string{"nats://localhost"}
	valid, err := New(&Options{URLs: url, Replicas: 5, Storage: StorageFile, Prefix: "a-B_9"})
	if err != nil {
		t.Fatal(err)
	}
	if err := valid.Close(); err != nil {
		t.Fatal(err)
	}
	refused := func(o Options, name string) {
		t.Helper()
		_, err := New(&o)
		var wrong *hub.OptionError
		if !errors.As(err, &wrong) || wrong.Option != name {
			t.Errorf("%+v: %v, want an error of %s", o, err, name)
		}
	}
	for i := range reflect.TypeFor[Options]().NumField() {
		field := reflect.TypeFor[Options]().Field(i)
		if field.Type.Kind() != reflect.Int && field.Type.Kind() != reflect.Int64 {
			continue
		}
		o := Options{URLs: url}
		reflect.ValueOf(&o).Elem().Field(i).SetInt(-12345)
		refused(o, field.Name)
	}
	refused(Options{URLs: url, Replicas: 6}, "Replicas")
	refused(Options{URLs: url, Storage: "disk"}, "Storage")
	refused(Options{URLs: url, Prefix: "a.b"}, "Prefix")
	refused(Options{URLs: url, Prefix: strings.Repeat("x", 33)}, "Prefix")
	refused(Options{URLs: url, Cert: "x"}, "Cert")
	refused(Options{}, "URLs")
	for _, u := range []string{"redis://x", "nats://", "x", "nats://u:pass word@h", "nats://u:secret@h:port"} {
		refused(Options{URLs: []string{u}}, "URLs")
		_, err := New(&Options{URLs: []string{u}})
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "pass word") {
			t.Errorf("%q: the error shows the password: %v", u, err)
		}
	}
}
