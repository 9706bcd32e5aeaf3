package main

import (
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/legible"
	"github.com/godwit-io/godwit/ws"
)

// What a message looks like to a person.
func TestDialLines(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 12, 4, 5, 678e6, time.Local)
	long := `{"a":"` + strings.Repeat("x", 120) + `","b":[1,2]}`
	for _, c := range []struct {
		o       dialOptions
		typ     ws.MessageType
		message string
		aside   string
		want    string
	}{
		{dialOptions{}, ws.MessageText, "hello", "", "< hello"},
		{dialOptions{}, ws.MessageText, "", "", "< "},
		{dialOptions{}, ws.MessageText, "two\nlines", "1.2ms", "< two\nlines  (1.2ms)"},
		{dialOptions{}, ws.MessageText, "\x1b[2Jevil\u202e\a", "", `< \x1b[2Jevil\u202e\a`},
		{dialOptions{}, ws.MessageText, "x", "\x1b[2J", `< x  (\x1b[2J)`},
		{dialOptions{}, ws.MessageText, `{"a": 1}`, "", `< {"a": 1}`},
		{dialOptions{}, ws.MessageText, long, "", "< {\n  \"a\": \"" + strings.Repeat("x", 120) + "\",\n  \"b\": [\n    1,\n    2\n  ]\n}"},
		{dialOptions{compact: true}, ws.MessageText, long, "", "< " + long},
		{dialOptions{times: true}, ws.MessageText, "x", "", "12:04:05.678 < x"},
		{dialOptions{}, ws.MessageBinary, "", "", "< [0 bytes]"},
		{dialOptions{}, ws.MessageBinary, "\x00\x1b[2J", "2s", "< [5 bytes]  (2s)\n00000000  00 1b 5b 32 4a                                    |..[2J|"},
		{dialOptions{hex: true}, ws.MessageText, "hi", "", "< [2 bytes]\n00000000  68 69                                             |hi|"},
		{dialOptions{}, ws.MessageText, strings.Repeat("x", shownBytesMax+7), "", "< " + strings.Repeat("x", shownBytesMax) + "\n… 7 bytes more, which a pipe or --json would have"},
	} {
		v := newDialView(&c.o, nil, nil)
		v.now = func() time.Time { return at }
		if got := v.lines("<", c.typ, []byte(c.message), c.aside); got != c.want {
			t.Errorf("%.40q\n got %.200q\nwant %.200q", c.message, got, c.want)
		}
	}
	v := newDialView(&dialOptions{times: true}, nil, nil)
	v.colored, v.now = true, func() time.Time { return at }
	if got, want := v.lines(v.paint(legible.Cyan, "<"), ws.MessageText, []byte(`[1]`), "2s"), "\x1b[2m12:04:05.678\x1b[0m \x1b[36m<\x1b[0m [\x1b[36m1\x1b[0m]  \x1b[2m(2s)\x1b[0m"; got != want {
		t.Errorf("in colours\n got %q\nwant %q", got, want)
	}
}

// Text written to a file has no secrets.
func TestIsForHistory(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"hello": true, `{"id":1,"subscribe":{"channel":"chat"}}`: true, "publish chat hello": true, "/file token.txt": true, "connect": true, "the basics": true,
		" not this": false, `{"token":"abc"}`: false, `{"id":1,"connect":{"resume":{"session":"a","secret":"b"}}}`: false, "password=x": false, `{'apiKey' : 'x'}`: false,
		"connect abc": false, "refresh abc": false, "Authorization: Bearer abc": false, "auth bearer abc": false, "x eyJhbGciOiJIUzI1NiJ9.eyJ.x": false, "pwd: x": false,
	} {
		if isForHistory(line) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

func TestHistoryPath(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/state")
	t.Setenv("HOME", "/home/ann")
	for flag, want := range map[string]string{"none": "", "": "/state/godwit/dial-history", "other": "other"} {
		if got := historyPath(flag); got != want {
			t.Errorf("%q: %q", flag, got)
		}
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	if got := historyPath(""); got != "/home/ann/.local/state/godwit/dial-history" {
		t.Errorf("%q", got)
	}
	t.Setenv("HOME", "")
	if got := historyPath(""); got != "" {
		t.Errorf("without a home: %q", got)
	}
}
