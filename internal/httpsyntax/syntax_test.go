package httpsyntax

import (
	"strings"
	"testing"
)

// Every byte, alone and among others, is where the specification has it.
func TestBytes(t *testing.T) {
	const tokens = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range 256 {
		c := byte(i)
		v := string([]byte{c})
		for name, row := range map[string]struct{ got, among, want bool }{
			"IsTokenByte":  {IsTokenByte(c), IsTokenByte(c), strings.IndexByte(tokens, c) >= 0},
			"IsToken":      {IsToken(v), IsToken("a" + v + "b"), strings.IndexByte(tokens, c) >= 0},
			"IsFieldValue": {IsFieldValue(v), IsFieldValue("a" + v + "b"), c == '\t' || c >= ' ' && c != 127},
			"IsVisible":    {IsVisible(v), IsVisible("a" + v + "b"), '!' <= c && c <= '~'},
		} {
			if row.got != row.want || row.among != row.want {
				t.Errorf("%s says %v of %q, and %v among others", name, row.got, c, row.among)
			}
		}
	}
	if IsToken("") || IsVisible("") || !IsFieldValue("") {
		t.Error("only a field value may be empty")
	}
}

func TestEqualFold(t *testing.T) {
	for x := range 256 {
		for y := range 256 {
			a, b := string([]byte{byte(x)}), string([]byte{byte(y)})
			want := x == y
			if x < 128 && y < 128 {
				want = strings.EqualFold(a, b)
			}
			if EqualFold(a, b) != want {
				t.Errorf("%q and %q: %v", a, b, !want)
			}
		}
	}
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"websocket", "WebSocket", true}, {"websocket", "websockets", false}, {"web", "wet", false},
		{"websocKet", "websoc\u212Aet", false}, {"websocket", "web\u017Focket", false},
	} {
		if EqualFold(row.a, row.b) != row.want {
			t.Errorf("%q and %q: %v", row.a, row.b, !row.want)
		}
	}
}
