package spoken

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/clientproto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 11, 30, 9, 30, 0, 0, time.UTC)

// Lines that a person types, and the frames that are sent for them.
func TestSpeak(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"subscribe chat": `{"id":1,"subscribe":{"channel":"chat"}}`,
		"  subscribe  chat  last=10 presence noself ": `{"id":1,"subscribe":{"channel":"chat","last":10,"presence":true,"self":false}}`,
		"subscribe chat since=BJYB:18 rate=5 delta":   `{"id":1,"subscribe":{"channel":"chat","since":"BJYB:18","delta":"fossil","rate":5}}`,
		"subscribe scores/** since=AcqRhs":            `{"id":1,"subscribe":{"channel":"scores/**","since":"AcqRhs"}}`,
		"unsubscribe chat":                            `{"id":1,"unsubscribe":{"channel":"chat"}}`,
		"publish chat hello  to all":                  `{"id":1,"publish":{"channel":"chat","data":"hello  to all"}}`,
		`publish chat {"a": 1}`:                       `{"id":1,"publish":{"channel":"chat","data":{"a": 1}}}`,
		"publish chat {not json":                      `{"id":1,"publish":{"channel":"chat","data":"{not json"}}`,
		"publish chat 12":                             `{"id":1,"publish":{"channel":"chat","data":"12"}}`,
		"history chat":                                `{"id":1,"history":{"channel":"chat","last":10}}`,
		"history chat since=BJYB:18 limit=5":          `{"id":1,"history":{"channel":"chat","since":"BJYB:18","limit":5}}`,
		"presence chat users limit=5":                 `{"id":1,"presence":{"channel":"chat","limit":5,"by":"user"}}`,
		"presence chat count":                         `{"id":1,"presence":{"channel":"chat","count":true}}`,
		"digest chat last=9":                          `{"id":1,"digest":{"channel":"chat","last":9}}`,
		"rpc math/sum [1,2]":                          `{"id":1,"rpc":{"method":"math/sum","data":[1,2]}}`,
		"rpc clock":                                   `{"id":1,"rpc":{"method":"clock"}}`,
		"cancel 7":                                    `{"id":1,"cancel":{"rpc":7}}`,
		"register math/* concurrency=8":               `{"id":1,"register":{"method":"math/*","concurrency":8}}`,
		"unregister math/*":                           `{"id":1,"unregister":{"method":"math/*"}}`,
		"answer 7 3":                                  `{"id":1,"answer":{"call":7,"data":"3"}}`,
		"connect":                                     `{"id":1,"connect":{}}`,
		"connect abc.def":                             `{"id":1,"connect":{"token":"abc.def"}}`,
		"refresh abc.def":                             `{"id":1,"refresh":{"token":"abc.def"}}`,
		"ping":                                        `{"id":1,"ping":{}}`,
		"end":                                         `{"id":1,"end":{}}`,
		"ping\n\nend":                                 `{"id":1,"ping":{}}` + "\n" + `{"id":2,"end":{}}`,
		"ping\n{\"id\":9,\"ping\":{}}\nend":           `{"id":1,"ping":{}}` + "\n" + `{"id":9,"ping":{}}` + "\n" + `{"id":10,"end":{}}`,
		` {"anything":  "goes"}`:                      ` {"anything":  "goes"}`,
		"{broken":                                     "{broken",
	} {
		got, err := new(Speaker).Speak(start, in)
		if string(bytes.Join(got, nil)) != want || err != nil {
			t.Errorf("%q\n got %s %v\nwant %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"subscrbe chat":             `there is no command "subscrbe"; did you mean subscribe?`,
		"sub chat":                  `there is no command "sub"; did you mean subscribe?`,
		"hello":                     `there is no command "hello"`,
		"subscribe":                 "subscribe needs a CHANNEL",
		"subscribe chat first=3":    `subscribe has no option "first=3"; it takes last= since= rate= presence noself delta`,
		"subscribe chat last=0":     `last= "0" is not a number of 1 or more`,
		"subscribe chat since=here": `since=: "here" is not a position; they look like BJYB:18`,
		"unsubscribe chat now":      `unsubscribe has no option "now"; it takes none`,
		"publish chat":              "publish needs what to publish: publish chat DATA",
		"cancel x":                  `cancel: "x" is not the number of a call`,
		"ping\nmoon":                `there is no command "moon"`,
	} {
		var s Speaker
		got, err := s.Speak(start, in)
		if err == nil || !strings.Contains(err.Error(), want) || got != nil {
			t.Errorf("%q: %s, %v, want %s", in, got, err, want)
		}
		if s.lastID != 0 || len(s.waiting) != 0 {
			t.Errorf("%q was refused and has left %+v", in, s)
		}
	}
}

// Ids ascend, also behind those that were typed by hand.
func TestIDs(t *testing.T) {
	t.Parallel()
	var s Speaker
	for _, c := range []struct{ in, want string }{
		{`{"id":5,"connect":{}}`, `{"id":5,"connect":{}}`},
		{"ping", `{"id":6,"ping":{}}`},
		{"{\"id\":8,\"ping\":{}}\n{\"id\":7,\"ping\":{}}", "{\"id\":8,\"ping\":{}}\n{\"id\":7,\"ping\":{}}"},
		{"ping", `{"id":9,"ping":{}}`},
	} {
		if got, err := s.Speak(start, c.in); string(bytes.Join(got, nil)) != c.want || err != nil {
			t.Errorf("%q: %s, %v", c.in, got, err)
		}
	}
	if got := s.Connect(start); got != nil {
		t.Errorf("it connects again: %s", got)
	}
}

// The session is opened before the first command in words, once.
func TestConnectGoesFirst(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ``},
		{" \n", ``},
		{"ping", `{"id":1,"connect":{"client":"me"}}|{"id":2,"ping":{}}`},
		{"connect T\nping", `{"id":1,"connect":{"token":"T"}}` + "\n" + `{"id":2,"ping":{}}`},
		{`{"id":1,"ping":{}}`, `{"id":1,"ping":{}}`}, // a person who writes JSON opens it too
		{"moon", ``},
	} {
		s := Speaker{Client: "me"}
		got, _ := s.Speak(start, c.in)
		if text := string(bytes.Join(got, []byte("|"))); text != c.want {
			t.Errorf("%q: %s", c.in, text)
		}
	}
	s := Speaker{Client: "me"}
	if got := string(s.Connect(start)); got != `{"id":1,"connect":{"client":"me"}}` {
		t.Error(got)
	}
	if got, _ := s.Speak(start, "ping"); string(bytes.Join(got, []byte("|"))) != `{"id":2,"ping":{}}` {
		t.Errorf("%s", got)
	}
}

// Frames that come, and the remarks about them.
func TestHear(t *testing.T) {
	t.Parallel()
	var s Speaker
	if _, err := s.Speak(start, "connect\nsubscribe chat\nping"); err != nil {
		t.Fatal(err)
	}
	later := start.Add(1234567 * time.Nanosecond)
	for _, c := range []struct {
		object string
		want   Heard
	}{
		{`{}`, Heard{IsHeartbeat: true}},
		{`{"id":1,"ok":{}}`, Heard{Aside: "connect, 1.23ms"}},
		{`{"id":2,"error":{"title":"Not allowed","detail":"no"}}`, Heard{Aside: "subscribe refused, 1.23ms"}},
		{`{"id":2,"ok":{}}`, Heard{}},                          // a second time
		{`{"error":{"title":"Bad"}}`, Heard{Aside: "refused"}}, // of a command without an id
		{`{"channel":"chat","data":{"id":3,"ok":1}}`, Heard{}}, // a publication
		{`{"id":3,"ok":{}}`, Heard{Aside: "ping, 1.23ms"}},
		{`{"gap":{"channel":"chat","from":"B:1","to":"B:5","reason":"lost","count":4}}`,
			Heard{Note: "4 publications of chat will not come: The history does not hold them any more; what is newer than B:5 does"}},
		{`{"gap":{"channel":"s/**","from":null,"to":null,"reason":"dropped","count":1}}`,
			Heard{Note: "one publication of s/** will not come: The client was slow, and the channel's policy drops the oldest that wait"}},
		{`{"gap":{"channel":"c","from":null,"to":null,"reason":"moon"}}`, Heard{Note: "some publications of c will not come"}},
		{`{"unsubscribed":{"channel":"chat","error":{}}}`, Heard{Note: "the server has ended the subscription to chat"}},
		{`{"expiring":{"after_ms":30000}}`, Heard{Note: "the token ends in 30s; refresh TOKEN goes on with another"}},
		{`{"end":{"code":4409,"reason":"","reconnect":false}}`, Heard{Note: "the session ends: Another connection carries the session now."}},
		{`{"end":{"code":4999}}`, Heard{Note: "the session ends"}},
		{`{"id":"x","gap":7}`, Heard{}},
		{`not json`, Heard{}},
	} {
		if got := s.Hear(later, []byte(c.object)); got != c.want {
			t.Errorf("%s\n got %+v\nwant %+v", c.object, got, c.want)
		}
	}
	for d, want := range map[time.Duration]string{12345 * time.Microsecond: "12ms", 2345 * time.Millisecond: "2.35s"} {
		if got := Took(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestObjects(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"": 0, "{}": 1, "{}\n\n{\"a\":1}\n": 2, "{}\nno": 0, "[1]": 0, "text": 0} {
		if got := Objects([]byte(in)); len(got) != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	channels := []string{"chat", "chess", "scores/final"}
	for in, want := range map[string][]string{
		"su":                         {"subscribe "},
		"un":                         {"unsubscribe ", "unregister "},
		"subscribe ":                 {"chat ", "chess ", "scores/final "},
		"subscribe ch":               {"chat ", "chess "},
		"publish s":                  {"scores/final "},
		"publish chat ":              nil,
		"subscribe chat ":            {"last=", "since=", "rate=", "presence ", "noself ", "delta "},
		"subscribe chat last=3 no":   {"noself "},
		"subscribe chat presence pr": nil,
		"presence chat u":            {"users "},
		"ping ":                      nil,
		"rpc ":                       nil,
		"moon ":                      nil,
	} {
		start, got := Complete(in, channels)
		if !slices.Equal(got, want) || len(got) > 0 && start != strings.LastIndexByte(in, ' ')+1 {
			t.Errorf("%q: %d %q, want %q", in, start, got, want)
		}
	}
	if _, all := Complete("", nil); len(all) != len(words) {
		t.Errorf("%q", all)
	}
}

// There is a word for every command of the protocol, and help for every word.
func TestEveryVerbHasAWord(t *testing.T) {
	t.Parallel()
	n := 0
	for v := clientproto.Connect; v.String() != "unknown"; v++ {
		n++
		if w := findWord(v.String()); w == nil || w.verb != v || !strings.Contains(Help, "  "+w.name) {
			t.Errorf("%v: %+v", v, w)
		}
	}
	if n != len(words) {
		t.Errorf("there are %d words for %d commands", len(words), n)
	}
}

// Whatever is typed is refused, sent as it is, or a command that the server reads.
func FuzzSpeak(f *testing.F) {
	for _, seed := range []string{"subscribe chat last=3", "publish c {\"a\":\"\u2028\"}", "ping\nend", "{}", "answer 1 \xff", "publish a b\r"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s Speaker
		messages, err := s.Speak(start, text)
		message := bytes.Join(messages, []byte("\n"))
		if err != nil || strings.Contains(text, "{") {
			return
		}
		for line := range strings.Lines(string(message)) {
			if _, err := clientproto.ParseCommand([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
				t.Errorf("%q became %q: %v", text, line, err)
			}
		}
		Complete(text, []string{"chat"})
	})
}
