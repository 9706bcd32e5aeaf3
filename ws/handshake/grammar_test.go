package handshake_test

import (
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws/handshake"
)

func TestParseTokens(t *testing.T) {
	const tchars = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	tests := []struct {
		values []string
		want   []string
	}{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{" ,\t, ,"}, nil},
		{[]string{"a"}, []string{"a"}},
		{[]string{"a,b"}, []string{"a", "b"}},
		{[]string{"\ta \t,\t b "}, []string{"a", "b"}},
		{[]string{",a,,b,"}, []string{"a", "b"}},
		{[]string{"b, a", "", "c"}, []string{"b", "a", "c"}},
		{[]string{"a, A, a"}, []string{"a", "A", "a"}},
		{[]string{tchars}, []string{tchars}},
	}
	for _, tt := range tests {
		got, err := handshake.ParseTokens(tt.values)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseTokens(%q) = %q, %v, want %q", tt.values, got, err, tt.want)
		}
	}
}

func TestParseTokensRefuses(t *testing.T) {
	tests := []struct {
		values []string
		value  string // the one at fault
		offset int
	}{
		{[]string{"a b"}, "a b", 2},
		{[]string{"a", "b;c"}, "b;c", 1},
		{[]string{`"a"`}, `"a"`, 0},
		{[]string{"a,\x00"}, "a,\x00", 2},
		{[]string{"a,\r\n b"}, "a,\r\n b", 2},
		{[]string{"a\x7f"}, "a\x7f", 1},
		{[]string{"\u00e9"}, "\u00e9", 0},
		{[]string{"a=b"}, "a=b", 1},
	}
	for _, tt := range tests {
		got, err := handshake.ParseTokens(tt.values)
		var syntax *handshake.SyntaxError
		if got != nil || !errors.As(err, &syntax) {
			t.Errorf("ParseTokens(%q) = %q, %v", tt.values, got, err)
			continue
		}
		if syntax.Value != tt.value || syntax.Offset != tt.offset || errors.Is(err, handshake.ErrTooMany) {
			t.Errorf("ParseTokens(%q): %q at %d, want %q at %d", tt.values, syntax.Value, syntax.Offset, tt.value, tt.offset)
		}
	}
	// Every byte that is not a tchar and not part of the list's own grammar is refused.
	for c := range 256 {
		token := strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) ||
			'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if c == ',' {
			continue
		}
		if _, err := handshake.ParseTokens([]string{"x" + string([]byte{byte(c)}) + "y"}); (err == nil) != token {
			t.Errorf("byte %#x: %v", c, err)
		}
	}
}

func TestTokensMax(t *testing.T) {
	exact := numbered(handshake.TokensMax, ",,")
	got, err := handshake.ParseTokens([]string{exact})
	if err != nil || len(got) != handshake.TokensMax {
		t.Fatalf("%d tokens, %v", len(got), err)
	}
	for _, values := range [][]string{{exact + ",z"}, {exact, "z"}} {
		if _, err := handshake.ParseTokens(values); !errors.Is(err, handshake.ErrTooMany) {
			t.Errorf("one more: %v", err)
		}
	}
}

func TestSyntaxError(t *testing.T) {
	_, err := handshake.ParseTokens([]string{"a b"})
	if got, want := err.Error(), `handshake: a comma is expected after a token, at byte 2: "b"`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = handshake.ParseExtensions([]string{"a;"})
	if got, want := err.Error(), "handshake: the name of a parameter is expected, a token, at its end"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	_, err = handshake.ParseTokens([]string{"\u00e9" + strings.Repeat("x", 1<<16)})
	if got := err.Error(); len(got) > 250 || !strings.HasSuffix(got, `x"...`) {
		t.Errorf("not truncated: %d bytes", len(got))
	}
}

// hostileValues are 256 KiB each of what makes careless parsers quadratic.
func hostileValues() map[string]string {
	const size = 1 << 18
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	return map[string]string{
		"spaces":                fill(" "),
		"tabs before a name":    fill("\t") + "a",
		"commas":                fill(","),
		"commas and spaces":     fill(", \t"),
		"quotes":                fill(`"`),
		"an open quote":         `a;b="` + fill("c"),
		"backslashes":           `a;b="` + fill(`\`),
		"escaped characters":    `a;b="` + fill(`\c`) + `"`,
		"one escape, then more": `a;b="\c` + fill("c") + `"`,
		"semicolons":            "a" + fill(";"),
		"parameters":            "a" + fill(";b"),
		"equal signs":           "a;b" + fill("="),
		"one name":              fill("a"),
		"names":                 fill("a,"),
		"spaces in a parameter": "a;b" + fill(" ") + "=" + fill(" ") + "c" + fill(" "),
		"zero bytes":            fill("\x00"),
		"bytes past ASCII":      fill("\xff"),
	}
}

// More than servers let into a head must be read at once. The bound is
// generous, since quadratic work on it takes a minute or more.
func TestHostileValuesAreLinear(t *testing.T) {
	const bound = 10 * time.Second
	for name, v := range hostileValues() {
		start := time.Now()
		handshake.ParseTokens([]string{v})
		handshake.ParseExtensions([]string{v})
		for _, field := range []string{"Upgrade", "Connection", "Sec-Websocket-Key", "Sec-Websocket-Version",
			"Origin", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"} {
			r := chromeRequest()
			r.Header[field] = []string{v}
			handshake.Check(r, nil)
		}
		if took := time.Since(start); took > bound {
			t.Errorf("%s: %v", name, took)
		}
	}
	// The same as many short field lines.
	lines := make([]string, 1<<18)
	start := time.Now()
	handshake.ParseTokens(lines)
	handshake.ParseExtensions(lines)
	if took := time.Since(start); took > bound {
		t.Errorf("%d lines: %v", len(lines), took)
	}
}

// What a header makes us hold is bounded by the limits, not by its length.
func TestHostileValuesHoldLittle(t *testing.T) {
	for name, v := range hostileValues() {
		if name == "escaped characters" || name == "one escape, then more" {
			continue // the value itself, unescaped
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		handshake.ParseTokens([]string{v})
		handshake.ParseExtensions([]string{v})
		runtime.ReadMemStats(&after)
		bytes := after.TotalAlloc - before.TotalAlloc
		if bytes > 16<<10 {
			t.Errorf("%s: %d bytes allocated", name, bytes)
		}
	}
}
