package legible

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                   "",
		"plain, π 😀 é":       "plain, π 😀 é",
		"line\nnext\ttab":    "line\nnext\ttab",
		"\x1b[31mred\x1b[0m": `\x1b[31mred\x1b[0m`,
		"back\rover":         `back\rover`,
		"bell\a\x00\x7f":     `bell\a\x00\x7f`,
		"c1 \u009b31m":       `c1 \u009b31m`,
		"not utf8 \xff\xc3":  `not utf8 \xff\xc3`,
		"turn \u202etxt":     `turn \u202etxt`,
		"line \u2028 end":    `line \u2028 end`,
		"replacement \ufffd": `replacement \ufffd`,
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

// isHarmless reports whether a terminal would only show s.
func isHarmless(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	})
}

// Whatever arrives, a terminal is given nothing to act on.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "\x1b[2J", "\xff", "\u202e", "a\r\nb", "\u009b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if !isHarmless(got) {
			t.Errorf("Text(%q) = %q", s, got)
		}
		if Text(got) != got {
			t.Errorf("Text twice: %q", got)
		}
	})
}

func TestIsJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"": false, "hello": false, "12": false, `"text"`: false, "null": false, "{": false, "[1,]": false,
		"{}": true, " [1]": true, `{"a":{"b":[null]}}`: true, "{}\n{}": false,
	} {
		if IsJSON([]byte(in)) != want {
			t.Errorf("IsJSON(%q) is %v", in, !want)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in      string
		width   int
		colored bool
		want    string
	}{
		{`{"a":1.0, "b":[]}`, 80, false, `{"a":1.0, "b":[]}`},
		{`{"a":1.0, "b":[1e400]}`, 10, false, "{\n  \"a\": 1.0,\n  \"b\": [\n    1e400\n  ]\n}"},
		{`{"a":1.0, "b":[1e400]}`, 0, false, `{"a":1.0, "b":[1e400]}`},
		{"{\n\"z\":1,\n\"a\":2}", 80, false, `{"z":1,"a":2}`},
		{"{\n\"z\":1,\n\"a\":2}", 0, false, `{"z":1,"a":2}`},
		{"[\"\u009b2J\u202e\x7f\"]", 80, false, `["\u009b2J\u202e\x7f"]`},
		{`{"k\"":"v\\","n":-1.5e3,"t":true}`, 80, true,
			"{\x1b[34m\"k\\\"\"\x1b[0m:\x1b[32m\"v\\\\\"\x1b[0m,\x1b[34m\"n\"\x1b[0m:\x1b[36m-1.5e3\x1b[0m,\x1b[34m\"t\"\x1b[0m:\x1b[35mtrue\x1b[0m}"},
		{"[\"\u009b\",null]", 80, true, "[\x1b[32m\"\\u009b\"\x1b[0m,\x1b[35mnull\x1b[0m]"},
	} {
		if got := JSON([]byte(c.in), c.width, c.colored); got != c.want {
			t.Errorf("JSON(%q, %d, %v)\n got %q\nwant %q", c.in, c.width, c.colored, got, c.want)
		}
	}
}

var sgr = regexp.MustCompile(`\x1b\[[0-9]+m`)

// A value that is shown is the same value, in harmless characters and in colours
// that end.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `[1,-2e9,"a\u001b\"",null,{"k":[true]}]`, "[\"\u009b\u202e\"]", `{"a":{"b":{"c":[]}}}`} {
		f.Add(seed, 20)
		f.Add(seed, 0)
	}
	f.Fuzz(func(t *testing.T, value string, width int) {
		if !IsJSON([]byte(value)) {
			return
		}
		plain, painted := JSON([]byte(value), width, false), JSON([]byte(value), width, true)
		if without := sgr.ReplaceAllString(painted, ""); without != plain || !isHarmless(plain) {
			t.Fatalf("%q is shown as %q and %q", value, plain, painted)
		}
		if width <= 0 && strings.Contains(plain, "\n") {
			t.Errorf("%q has more than one line", plain)
		}
		if Text(value) != value { // its characters were escaped as no JSON escapes them
			return
		}
		var was, is any
		if json.Unmarshal([]byte(value), &was) == nil && json.Unmarshal([]byte(plain), &is) != nil {
			t.Errorf("%q became %q, which is no value", value, plain)
		}
	})
}
