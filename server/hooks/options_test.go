package hooks

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// Every number is refused by its name when it is negative.
func TestNegativeOptions(t *testing.T) {
	tried := 0
	for _, part := range []string{"", "Connect", "Subscribe", "Publish", "RPC", "SocketIO", "Events"} {
		structs := map[string]reflect.Type{"": reflect.TypeFor[Options](), "Events": reflect.TypeFor[Events]()}
		of, ok := structs[part]
		if !ok {
			of = reflect.TypeFor[Question]()
		}
		for i := range of.NumField() {
			if !of.Field(i).IsExported() || !of.Field(i).Type.ConvertibleTo(reflect.TypeFor[int]()) {
				continue
			}
			o := &Options{
				Connect: &Question{URL: testURL}, Subscribe: &Question{URL: testURL}, Publish: &Question{URL: testURL}, RPC: &Question{URL: testURL}, SocketIO: &Question{URL: testURL}, Events: &Events{URL: testURL},
				Secrets: [][]byte{[]byte(testSecret)},
			}
			value, name := reflect.ValueOf(o).Elem(), of.Field(i).Name
			if part != "" {
				value, name = value.FieldByName(part).Elem(), part+"."+name
			}
			value.Field(i).SetInt(-1)
			_, err := New(o)
			if says := regexp.MustCompile(`^hooks: option ` + name + `: -1(ns)? is negative; 0 is the default`); err == nil || !says.MatchString(err.Error()) {
				t.Errorf("%s of -1: got %v", name, err)
			}
			tried++
		}
	}
	if tried != 3+5+6 {
		t.Errorf("tried %d numbers", tried)
	}
}

func pattern(t *testing.T, text string) access.Pattern {
	t.Helper()
	p, err := access.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOptionsThatAreWrong(t *testing.T) {
	good := func() *Options {
		return &Options{Connect: &Question{URL: testURL}, Events: &Events{URL: testURL}, Secrets: [][]byte{[]byte(testSecret)}}
	}
	for _, row := range []struct {
		change       func(o *Options)
		option, want string
	}{
		{func(o *Options) { o.Connect.URL = "" }, "Connect.URL", "there is none; write one such as"},
		{func(o *Options) { o.Connect.URL = "http://u:pass-word@a b/" }, "Connect.URL", "is no URL"},
		{func(o *Options) { o.Connect.URL = "ftp://u:pass-word@a/" }, "Connect.URL", `"ftp"; only http and https`},
		{func(o *Options) { o.Connect.URL = "/hooks" }, "Connect.URL", "only http and https"},
		{func(o *Options) { o.Connect.URL = "https:///hooks" }, "Connect.URL", "names no host"},
		{func(o *Options) { o.Connect.URL = "https://a/#b" }, "Connect.URL", "has a fragment"},
		{func(o *Options) { o.Connect.URL = "http://127.0.0.1:8080/" }, "Connect.URL", "127.0.0.1 is a loopback address; requests go there only with allow_private"},
		{func(o *Options) { o.Events.URL = "http://[::ffff:169.254.169.254]/" }, "Events.URL", "is a link-local address"},
		{func(o *Options) { o.Connect.Forward = []string{"Cookie", "a b"} }, "Connect.Forward", `"a b" is no name of a header field`},
		{func(o *Options) { o.Connect.Forward = []string{"host"} }, "Connect.Forward", `"host" is a field of the request itself`},
		{func(o *Options) { o.Connect.Forward = []string{"webhook-signature"} }, "Connect.Forward", "is a field of the request itself"},
		{func(o *Options) { o.Connect.Forward = []string{"Cookie", "cookie"} }, "Connect.Forward", "is there twice"},
		{func(o *Options) { o.Connect.Forward = []string{"Authorization"} }, "Connect.Forward", "would take the place of the user in the URL"},
		{func(o *Options) { o.Events.Types = []string{"channel.created"} }, "Events.Types", `"channel.created" is no type of event; the types are channel.occupied, `},
		{func(o *Options) { o.Events.Channels = []access.Pattern{pattern(t, "inbox/{user}")} }, "Events.Channels", "write * in its place"},
		{func(o *Options) { o.Connect.Channels = []access.Pattern{{}} }, "Connect.Channels", "matches nothing"},
	} {
		o := good()
		row.change(o)
		_, err := New(o)
		var wrong *OptionError
		if !errors.As(err, &wrong) || wrong.Option != row.option || !strings.Contains(wrong.Reason, row.want) || strings.Contains(err.Error(), "pass-word") {
			t.Errorf("got %v, want %s: %s", err, row.option, row.want)
		}
	}
	h, err := New(good())
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
