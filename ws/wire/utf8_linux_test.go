package wire

import (
	"strings"
	"testing"
)

func TestUTF8StaysInsideTheSlice(t *testing.T) {
	m := fenced(t)
	for _, unit := range []string{"a", "\u00e9", "\u20ac", "\U0001F426", "a\u00e9\u20ac\U0001F426"} {
		text := strings.Repeat(unit, len(m)/len(unit)+1)
		onEachPath(func(path string) {
			for length := range 301 {
				for _, p := range [][]byte{m[:length], m[len(m)-length:]} {
					copy(p, text)
					var u UTF8
					if !u.Write(p) {
						t.Fatalf("%s: %d bytes of %q refused", path, length, unit)
					}
				}
			}
			copy(m, text)
			var u UTF8
			if !u.Write(m) {
				t.Fatalf("%s: two pages of %q refused", path, unit)
			}
		})
	}
}
