package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScriptErrors(t *testing.T) {
	const about = "# It shows something.\n"
	for _, test := range []struct{ text, want string }{
		{"ann leaves\n", "x.txt:1: a script begins with a comment"},
		{about, "x.txt: nothing is done"},
		{about + "ann < hello\n", "x.txt:2: \"ann < hello\": something is heard before"},
		{about + "get /a\n\n200 {}\n", "x.txt:4: \"200 {}\": what is heard stands right below"},
		{about + "get /a\n# so\n", "x.txt: the last comment"},
		{about + "ann > hello\n", "x.txt:2: \"ann > hello\": ann is not there"},
		{about + "ann leaves\n", "ann is not there"},
		{about + "get /a\nwith history 2\n", "limits stand before"},
		{about + "with histories 2\n", "a limit is: with history|"},
		{about + "with history -1\n", "a limit is"},
		{about + "only at night\n", "only without carriers: why"},
		{about + "Ann leaves\n", `"Ann" is neither`},
		{about + "ann opens longpoll /a\n", "opens websocket, sse or ndjson"},
		{about + "ann opens sse a\n", "begins with /"},
		{about + "ann opens sse /a Last-Event-ID: 1\n", "is behind the path"},
		{about + "ann dances\n", "a client opens, gets"},
		{about + "ann leaves early\n", "a client opens, gets"},
		{about + "post /a\n", "stands in quotes"},
		{about + "post /a \"x\n", "the quotes do not end"},
		{about + "post /a \"x\" * many\n", "is behind the quotes"},
		{about + "0s pass\n", "positive"},
		{about + "the broker sleeps\n", "it is: the server shuts down"},
		{about + "the broker fails badly\n", "it is: the server shuts down"},
		{about + "the broker delays publish\n", "it is: the server shuts down"},
		{about + "the broker recovers quickly\n", "it is: the server shuts down"},
		{about + "the broker is tired\n", "it is: the server shuts down"},
		{about + "ann opens websocket /connect\nthe server subscribes ann from chat\n", "it is: the server shuts down"},
		{about + "the server subscribes ann to chat\n", "ann is not there"},
		{about + "a crowd comes to chat\n", "it is: a crowd of N"},
		{about + "a crowd of 0 comes to chat\n", "it is: a crowd of N"},
		{about + "the broker loses\n", "it is: the server shuts down"},
	} {
		s, err := parseScript("x.txt", test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v; want %q", test.text, s, err, test.want)
		}
	}
}

// A script is what was read, and what is shown as data is read again.
func FuzzScript(f *testing.F) {
	files, _ := filepath.Glob("testdata/dialogues/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("# x\nann opens sse /a (A: b) (C: d)\nann < binary \"\\x00\"\nann > \"x\" * 3\nthe broker delays mute in a by 1s\n")
	f.Fuzz(func(t *testing.T, text string) {
		if shown := showData(text); text != "" {
			if again, err := parseData(shown); err != nil || again != text {
				t.Errorf("%q is shown as %s and read as %q, %v", text, shown, again, err)
			}
		}
		s, err := parseScript("x", text)
		if err != nil {
			return
		}
		if again, err := parseScript("x", s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q becomes %q, %v", text, s, err)
		}
	})
}
