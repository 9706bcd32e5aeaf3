package handshake_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func ext(name string, params ...handshake.Param) handshake.Extension {
	return handshake.Extension{Name: name, Params: params}
}

func flag(name string) handshake.Param { return handshake.Param{Name: name} }

func value(name, v string) handshake.Param {
	return handshake.Param{Name: name, Value: v, HasValue: true}
}

func TestParseExtensions(t *testing.T) {
	tests := []struct {
		values []string
		want   []handshake.Extension
	}{
		{nil, nil},
		{[]string{"", " , ,"}, nil},
		{[]string{"foo"}, []handshake.Extension{ext("foo")}},
		// The examples of RFC 6455 §9.1.
		{[]string{"foo", "bar; baz=2"}, []handshake.Extension{ext("foo"), ext("bar", value("baz", "2"))}},
		{[]string{"foo, bar; baz=2"}, []handshake.Extension{ext("foo"), ext("bar", value("baz", "2"))}},
		{[]string{"mux; max-channels=4; flow-control, deflate-stream"},
			[]handshake.Extension{ext("mux", value("max-channels", "4"), flag("flow-control")), ext("deflate-stream")}},
		{[]string{"private-extension"}, []handshake.Extension{ext("private-extension")}},
		// Alternatives of one extension, and repeated parameters, stay in order.
		{[]string{"d; a=1; a=2; a, d"},
			[]handshake.Extension{ext("d", value("a", "1"), value("a", "2"), flag("a")), ext("d")}},
		// Names and values keep their case.
		{[]string{"D; A=B"}, []handshake.Extension{ext("D", value("A", "B"))}},
		// Quoted values.
		{[]string{`d; a="10"`}, []handshake.Extension{ext("d", value("a", "10"))}},
		{[]string{`d; a="\1\0"; b`}, []handshake.Extension{ext("d", value("a", "10"), flag("b"))}},
		{[]string{`d; a="1\0", e`}, []handshake.Extension{ext("d", value("a", "10")), ext("e")}},
		// Whitespace may stand around everything.
		{[]string{"\td ;\ta\t= 1 ; b , e\t"}, []handshake.Extension{ext("d", value("a", "1"), flag("b")), ext("e")}},
		{[]string{"d;a=1;b,e"}, []handshake.Extension{ext("d", value("a", "1"), flag("b")), ext("e")}},
		{[]string{",d,,e,"}, []handshake.Extension{ext("d"), ext("e")}},
	}
	for _, tt := range tests {
		got, err := handshake.ParseExtensions(tt.values)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseExtensions(%q)\n got %+v, %v\nwant %+v", tt.values, got, err, tt.want)
		}
	}
}

func TestParseExtensionsRefuses(t *testing.T) {
	tests := []struct {
		value  string
		offset int
		reason string
	}{
		{";", 0, "name of an extension"},
		{"=a", 0, "name of an extension"},
		{`"d"`, 0, "name of an extension"},
		{"d;", 2, "name of a parameter"},
		{"d; ; a", 3, "name of a parameter"},
		{"d; a;", 5, "name of a parameter"},
		{"d; =1", 3, "name of a parameter"},
		{"d;,e", 2, "name of a parameter"},
		{"d; a=", 5, "value of a parameter"},
		{"d; a=;b", 5, "value of a parameter"},
		{"d; a=,e", 5, "value of a parameter"},
		{"d; a==1", 5, "value of a parameter"},
		{"d; a=1=2", 6, "expected here"},
		{"d; a=1 2", 7, "expected here"},
		{"d e", 2, "expected here"},
		{"d/e", 1, "expected here"},
		{`d; a="1`, 7, "closing quote"},
		{`d; a="`, 6, "closing quote"},
		{`d; a="\`, 7, "token once unescaped"},
		{`d; a="1\"`, 8, "token once unescaped"},
		{`d; a="\\"`, 7, "token once unescaped"},
		{`d; a=""`, 6, "not be empty"},
		{`d; a="1 2"`, 7, "token once unescaped"},
		{`d; a="1,2"`, 7, "token once unescaped"},
		{`d; a="1;2"`, 7, "token once unescaped"},
		{`d; a="1"2`, 8, "expected here"},
		{`d; a=1"2"`, 6, "expected here"},
		{`d; a='1 2'`, 8, "expected here"},
		{"d; a=\u00e9", 5, "value of a parameter"},
		{"d\x00", 1, "expected here"},
		{"d\r\n", 1, "expected here"},
		{"d; a=\"\x00\"", 6, "token once unescaped"},
	}
	for _, tt := range tests {
		for _, values := range [][]string{{tt.value}, {"x; y=z", tt.value}} {
			got, err := handshake.ParseExtensions(values)
			var syntax *handshake.SyntaxError
			if got != nil || !errors.As(err, &syntax) {
				t.Errorf("ParseExtensions(%q) = %+v, %v", values, got, err)
				continue
			}
			if syntax.Offset != tt.offset || !strings.Contains(syntax.Reason, tt.reason) || errors.Is(err, handshake.ErrTooMany) {
				t.Errorf("ParseExtensions(%q): %v at %d, want %q at %d", values, err, syntax.Offset, tt.reason, tt.offset)
			}
		}
	}
}

func TestExtensionLimits(t *testing.T) {
	exact := numbered(handshake.ExtensionsMax, ",")
	if got, err := handshake.ParseExtensions([]string{exact}); err != nil || len(got) != handshake.ExtensionsMax {
		t.Errorf("%d extensions, %v", len(got), err)
	}
	for _, values := range [][]string{{exact + ",z"}, {exact, "z"}} {
		if _, err := handshake.ParseExtensions(values); !errors.Is(err, handshake.ErrTooMany) {
			t.Errorf("one extension more: %v", err)
		}
	}
	// Every extension may have its parameters in full.
	one := "d" + strings.Repeat(";p", handshake.ParamsMax)
	all := strings.TrimSuffix(strings.Repeat(one+",", handshake.ExtensionsMax), ",")
	got, err := handshake.ParseExtensions([]string{all})
	if err != nil || len(got) != handshake.ExtensionsMax {
		t.Fatalf("%d extensions, %v", len(got), err)
	}
	for _, e := range got {
		if len(e.Params) != handshake.ParamsMax {
			t.Fatalf("%d parameters", len(e.Params))
		}
	}
	if _, err := handshake.ParseExtensions([]string{one + ";p"}); !errors.Is(err, handshake.ErrTooMany) {
		t.Errorf("one parameter more: %v", err)
	}
}

// The parameters of all extensions share memory; appending to one list must not
// reach into the next.
func TestParamsAreApart(t *testing.T) {
	got, err := handshake.ParseExtensions([]string{"a; p=1, b; q=2"})
	if err != nil {
		t.Fatal(err)
	}
	_ = append(got[0].Params, flag("x"))
	if want := value("q", "2"); got[1].Params[0] != want {
		t.Errorf("got %+v", got[1].Params)
	}
}

func TestAppendExtension(t *testing.T) {
	tests := []struct {
		extension handshake.Extension
		want      string
	}{
		{ext("d"), "d"},
		{ext("d", flag("a"), value("b", "15"), value("b", "8")), "d; a; b=15; b=8"},
	}
	for _, tt := range tests {
		got, err := handshake.AppendExtension([]byte("x, "), tt.extension)
		if err != nil || string(got) != "x, "+tt.want {
			t.Errorf("%+v: %q, %v", tt.extension, got, err)
		}
	}
	for _, e := range []handshake.Extension{
		ext(""), ext("a b"), ext("a\r\n"), ext("a,b"), ext("\u00e9"),
		ext("d", flag("")), ext("d", flag("a=b")), ext("d", flag("a\x00")),
		ext("d", value("a", "")), ext("d", value("a", "1 2")), ext("d", value("a", "1\r\nX: y")), ext("d", value("a", `"1"`)),
		ext("d", handshake.Param{Name: "a", Value: "1"}),
	} {
		got, err := handshake.AppendExtension([]byte("x"), e)
		var field *handshake.FieldError
		if string(got) != "x" || !errors.As(err, &field) {
			t.Errorf("%+v: %q, %v", e, got, err)
		}
	}
}
