package frames

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// reference is the quoting as the protocol's description has it, rune by rune.
func reference(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case strings.ContainsRune("\"\\", r):
			b.WriteString(`\` + string(r))
		case strings.ContainsRune("\b\t\n\f\r", r):
			b.WriteByte('\\')
			b.WriteByte("btn\vfr"[r-'\b'])
		case r < 0x20, 0x200c <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202f, 0x2060 <= r && r <= 0x206f, 0xfff0 <= r && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// everything is all characters of the first plane, and a few behind it.
func everything() string {
	var b strings.Builder
	for r := rune(0); r <= 0xffff; r++ {
		if r < 0xd800 || r > 0xdfff {
			b.WriteRune(r)
		}
	}
	b.WriteString("\U00010000\U0001F426\U0010FFFF")
	return b.String()
}

func TestAppendStringOfEverything(t *testing.T) {
	s := everything()
	got := string(AppendString([]byte("dst"), []byte(s)))
	if want := "dst" + reference(s); got != want {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("at %d: %.40q, want %.40q", i, got[i:], want[i:])
			}
		}
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	var back string
	if err := json.Unmarshal([]byte(got[3:]), &back); err != nil || back != s {
		t.Errorf("a JSON parser reads something else: %v", err)
	}
}

func TestAppendStringOfNoUTF8(t *testing.T) {
	if got := string(AppendString(nil, []byte("a\xffb\xe2\x80"))); got != `"a\ufffdb\ufffd\ufffd"` {
		t.Error(got)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x1f\x7f", "\u2028\u202f\u2030", "\"\\/<>&", "\xff", "\U0001F426"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendString(nil, []byte(s))
		if !utf8.Valid(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && string(got) != reference(want) {
			t.Errorf("%q, want %q", got, reference(want))
		}
		var b Batch
		if err := ParseFrame(&b, got); err != nil || b.Len() != 1 {
			t.Fatalf("%v, %d messages", err, b.Len())
		}
		if utf8.ValidString(s) && string(b.At(0)) != s {
			t.Errorf("%q came back as %q", s, b.At(0))
		}
	})
}

func TestFrames(t *testing.T) {
	if got := string(AppendClose(nil, 3000, `Go "away"!`)); got != `c[3000,"Go \"away\"!"]` {
		t.Error(got)
	}
	if got := string(AppendMessages(nil, []byte(`"a","b"`))); got != `a["a","b"]` {
		t.Error(got)
	}
	if got := string(AppendInfo(nil, Info{WebSocket: true, Entropy: 1<<32 - 1})); got != `{"websocket":true,"origins":["*:*"],"cookie_needed":false,"entropy":4294967295}` {
		t.Error(got)
	}
	if got := string(AppendInfo(nil, Info{CookieNeeded: true, BaseURL: "https://a.example/b"})); got != `{"websocket":false,"origins":["*:*"],"cookie_needed":true,"entropy":0,"base_url":"https://a.example/b"}` {
		t.Error(got)
	}
}

func TestFormats(t *testing.T) {
	frame := []byte(`a["50% of </script>"]`)
	for _, c := range []struct {
		f             Format
		prelude, want string
		isSingle      bool
	}{
		{Format{Kind: Poll}, "", "a[\"50% of </script>\"]\n", true},
		{Format{Kind: Stream}, strings.Repeat("h", 2048) + "\n", "a[\"50% of </script>\"]\n", false},
		{Format{Kind: Events}, "\r\n", "data: a[\"50%25 of </script>\"]\r\n\r\n", false},
		{Format{Kind: JSONP, Callback: "cb"}, "", "/**/cb(\"a[\\\"50% of </script>\\\"]\");\r\n", true},
		{Format{Kind: HTMLFile, Callback: "cb"}, "page", "<script>\np(\"a[\\\"50% of \\u003c/script>\\\"]\");\n</script>\r\n", false},
	} {
		if got := string(c.f.Append([]byte("x"), frame)); got != "x"+c.want {
			t.Errorf("%v: %q, want %q", c.f, got, c.want)
		}
		if got := string(c.f.AppendPrelude(nil)); got != c.prelude && c.prelude != "page" {
			t.Errorf("%v: %q, want %q", c.f, got, c.prelude)
		}
		if c.f.IsSingle() != c.isSingle {
			t.Errorf("%v: single is %v", c.f, c.f.IsSingle())
		}
	}
}

func TestPages(t *testing.T) {
	page := string(Format{Kind: HTMLFile, Callback: "cb.x"}.AppendPrelude([]byte("dst")))
	if !strings.HasPrefix(page, "dst<!doctype html>\n<html><head>") || !strings.Contains(page, "var c = parent.cb.x;\n") || len(page) <= 1024+3 {
		t.Errorf("%d bytes: %q", len(page), page)
	}
	if got := string(AppendIframe(nil, "/s.js?a=1&b=2")); !strings.Contains(got, `<script src="/s.js?a=1&amp;b=2"></script>`) || strings.Contains(got, "%s") {
		t.Error(got)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		data  string
		want  []string
		err   error
		frame error // of a WebSocket, if it differs
	}{
		{data: `[]`},
		{data: ` [ ] `},
		{data: `["a"]`, want: []string{"a"}},
		{data: " [\t\"a\" ,\r\n\"\" ] ", want: []string{"a", ""}},
		{data: `["\"\\\/\b\f\n\r\t"]`, want: []string{"\"\\/\b\f\n\r\t"}},
		{data: `["\u0000\uffff\uD83d\uDC26"]`, want: []string{"\x00\uffff\U0001F426"}},
		{data: `["\ud800", "\ud800\ud800\udc00", "\udc00x", "\ud800\n"]`, want: []string{"\ufffd", "\ufffd\U00010000", "\ufffdx", "\ufffd\n"}},
		{data: "[\"\u2028\uffff\U0001F426\"]", want: []string{"\u2028\uffff\U0001F426"}},
		{data: ``, err: ErrPayload},
		{data: ` `, err: ErrPayload},
		{data: `{}`, err: ErrPayload, frame: ErrPayload},
		{data: `[1]`, err: ErrPayload, frame: ErrPayload},
		{data: `["a",["b"]]`, err: ErrPayload, frame: ErrPayload},
		{data: `"a"`, err: ErrPayload, want: []string{"a"}},
		{data: `null`, err: ErrPayload, frame: ErrPayload},
		{data: `["x`, err: ErrBroken, frame: ErrBroken},
		{data: `["x"`, err: ErrBroken, frame: ErrBroken},
		{data: `["x",]`, err: ErrBroken, frame: ErrBroken},
		{data: `["x"]]`, err: ErrBroken, frame: ErrBroken},
		{data: `["x"]["y"]`, err: ErrBroken, frame: ErrBroken},
		{data: `["x" "y"]`, err: ErrBroken, frame: ErrBroken},
		{data: "[\"\n\"]", err: ErrBroken, frame: ErrBroken},
		{data: "[\"\xff\"]", err: ErrBroken, frame: ErrBroken},
		{data: "[\"\xed\xa0\x80\"]", err: ErrBroken, frame: ErrBroken},
		{data: "[1,\"\xff\"]", err: ErrBroken, frame: ErrBroken},
		{data: `["\x41"]`, err: ErrBroken, frame: ErrBroken},
		{data: `["\u12g4"]`, err: ErrBroken, frame: ErrBroken},
		{data: `["\u12`, err: ErrBroken, frame: ErrBroken},
		{data: `["\`, err: ErrBroken, frame: ErrBroken},
	} {
		check := func(name string, parse func(*Batch, []byte) error, wantErr error) {
			var b Batch
			b.text, b.ends = append(b.text, "kept"...), append(b.ends, 4)
			if err := parse(&b, []byte(c.data)); !errors.Is(err, wantErr) {
				t.Errorf("%s(%q): %v, want %v", name, c.data, err, wantErr)
				return
			}
			want := []string{"kept"}
			if wantErr == nil {
				want = append(want, c.want...)
			}
			var got []string
			for i := range b.Len() {
				got = append(got, string(b.At(i)))
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Errorf("%s(%q): %q, want %q", name, c.data, got, want)
			}
		}
		check("ParseMessages", ParseMessages, c.err)
		check("ParseFrame", ParseFrame, c.frame)
	}
}

func FuzzParseMessages(f *testing.F) { fuzzParse(f, ParseMessages, false) }
func FuzzParseFrame(f *testing.F)    { fuzzParse(f, ParseFrame, true) }

// fuzzParse holds a parser to encoding/json, and to what AppendString makes of its result.
func fuzzParse(f *testing.F, parse func(*Batch, []byte) error, bare bool) {
	for _, s := range []string{`[]`, `["a","b"]`, `["\ud83d\udc26\ud800"]`, `"a"`, `[1]`, `["x`, "", "[\"\xff\"]", ` [ "a" ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Batch
		err := parse(&b, data)
		if len(b.text) > len(data) {
			t.Fatalf("%d bytes became %d", len(data), len(b.text))
		}
		var want []*string
		var one string
		// encoding/json takes bytes that are not UTF-8, and null for a string.
		isStrings := utf8.Valid(data) && json.Unmarshal(data, &want) == nil && want != nil
		for _, s := range want {
			isStrings = isStrings && s != nil
		}
		if bare && utf8.Valid(data) && bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(`"`)) && json.Unmarshal(data, &one) == nil {
			isStrings, want = true, []*string{&one}
		}
		if isNothing := len(bytes.Trim(data, " \t\r\n")) == 0; isNothing {
			isStrings, want = bare, nil
		}
		if (err == nil) != isStrings {
			t.Fatalf("%q: %v, but encoding/json says %v", data, err, isStrings)
		}
		if err != nil {
			if b.Len() != 0 || (errors.Is(err, ErrPayload) != (utf8.Valid(data) && json.Valid(data)) && len(bytes.Trim(data, " \t\r\n")) > 0) {
				t.Fatalf("%q: %v with %d messages", data, err, b.Len())
			}
			return
		}
		again := []byte("[")
		for i := range b.Len() {
			if string(b.At(i)) != *want[i] {
				t.Fatalf("%q: %q, want %q", data, b.At(i), *want[i])
			}
			if i > 0 {
				again = append(again, ',')
			}
			again = AppendString(again, b.At(i))
		}
		var back Batch
		if err := ParseMessages(&back, append(again, ']')); err != nil || !bytes.Equal(back.text, b.text) || back.Len() != len(want) {
			t.Fatalf("%q did not come back: %v", again, err)
		}
	})
}

func TestMessagesMax(t *testing.T) {
	most := "[" + strings.Repeat(`"",`, MessagesMax-1) + `""]`
	var b Batch
	if err := ParseMessages(&b, []byte(most)); err != nil || b.Len() != MessagesMax {
		t.Error(err, b.Len())
	}
	b.Reset()
	for _, more := range []string{most[:len(most)-1] + `,""]`, most[:len(most)-1] + `,"",`} {
		if err := ParseMessages(&b, []byte(more)); !errors.Is(err, ErrTooMany) || b.Len() != 0 {
			t.Error(err, b.Len())
		}
	}
}

func TestBatch(t *testing.T) {
	var b Batch
	if err := ParseMessages(&b, []byte(`["a","bcd","ef"]`)); err != nil || b.Longest() != 3 || b.Bytes() != 6+3*8 || b.Cap() < b.Bytes() {
		t.Errorf("%v, %d, %d", err, b.Longest(), b.Bytes())
	}
	if b.Reset(); b.Len() != 0 || b.Longest() != 0 {
		t.Error("not empty")
	}
}

func TestParseForm(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		content, contentType, want string
		err                        error
	}{
		{`d=%5B%22x%22%5D`, form, `["x"]`, nil},
		{`d=%5B%22x+y%22%5D&d=z`, "Application/X-WWW-Form-Urlencoded; charset=UTF-8", `["x y"]`, nil},
		{`a=b&d=%5B%5D`, form, `[]`, nil},
		{``, form, ``, ErrPayload},
		{`d=`, form, ``, ErrPayload},
		{`p=p`, form, ``, ErrPayload},
		{`d=%5`, form, ``, ErrBroken},
		{`["%61"]`, "text/plain", `["%61"]`, nil},
		{`["a"]`, "", `["a"]`, nil},
		{``, "text/plain", ``, ErrPayload},
	} {
		got, err := ParseForm([]byte(c.content), c.contentType)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q of %q: %q, %v", c.content, c.contentType, got, err)
		}
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add([]byte(`d=%5B%22x%22%5D`), true)
	f.Add([]byte(`["x"]`), false)
	f.Fuzz(func(t *testing.T, content []byte, isForm bool) {
		contentType := "text/plain"
		if isForm {
			contentType = "application/x-www-form-urlencoded"
		}
		got, err := ParseForm(content, contentType)
		if (err == nil) != (len(got) > 0) || len(got) > len(content) {
			t.Fatalf("%q: %q, %v", content, got, err)
		}
		if !isForm && err == nil && !bytes.Equal(got, content) {
			t.Fatalf("%q became %q", content, got)
		}
	})
}

func TestParseCallback(t *testing.T) {
	for _, c := range []struct{ query, want, wrong string }{
		{"c=%63allback", "callback", ""},
		{"callback=a.b_c-9", "a.b_c-9", ""},
		{"c=x&callback=y", "x", ""},
		{"c=" + strings.Repeat("a", 32), strings.Repeat("a", 32), ""},
		{"c=" + strings.Repeat("a", 33), "", `invalid "callback" parameter`},
		{"", "", `"callback" parameter required`},
		{"c=", "", `"callback" parameter required`},
		{"c=%20", "", `invalid "callback" parameter`},
		{"c=abc(", "", `invalid "callback" parameter`},
		{"c=abc%28", "", `invalid "callback" parameter`},
		{"c=*", "", `invalid "callback" parameter`},
		{"c=a%0d%0ab", "", `invalid "callback" parameter`},
	} {
		if name, wrong := ParseCallback(c.query); name != c.want || wrong != c.wrong {
			t.Errorf("%q: %q, %q", c.query, name, wrong)
		}
	}
}

func FuzzParseCallback(f *testing.F) {
	f.Add("c=%63allback")
	f.Add("callback=a.b&x=y")
	f.Fuzz(func(t *testing.T, query string) {
		name, wrong := ParseCallback(query)
		if (name == "") == (wrong == "") {
			t.Fatalf("%q: %q, %q", query, name, wrong)
		}
		if again, _ := ParseCallback("c=" + name); again != name {
			t.Fatalf("%q became %q", name, again)
		}
	})
}
