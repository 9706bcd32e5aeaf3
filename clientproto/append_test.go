package clientproto

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// wholeCommands have every field of every verb.
var wholeCommands = []struct {
	command Command
	text    string
}{
	{Command{ID: 1, Verb: Connect}, `{"id":1,"connect":{}}`},
	{Command{ID: 1, Verb: Connect, Token: "t", Client: "c/1", Resume: Resume{"s", "x"}, Messages: "E:1"},
		`{"id":1,"connect":{"token":"t","client":"c/1","resume":{"session":"s","secret":"x"},"messages":"E:1"}}`},
	{Command{ID: 1, Verb: Connect, NoMessages: true}, `{"id":1,"connect":{"messages":false}}`},
	{Command{ID: 2, Verb: Subscribe, Channel: "a", Since: hub.Position{Epoch: "E", Offset: 1}, WithMembers: true, ByUser: true, Delta: DeltaFossil, Rate: 5, ExcludeSelf: true},
		`{"id":2,"subscribe":{"channel":"a","since":"E:1","presence":"user","delta":"fossil","rate":5,"self":false}}`},
	{Command{ID: 2, Verb: Subscribe, Channel: "a", Last: 3, WithMembers: true}, `{"id":2,"subscribe":{"channel":"a","last":3,"presence":true}}`},
	{Command{ID: 3, Verb: Unsubscribe, Channel: "a"}, `{"id":3,"unsubscribe":{"channel":"a"}}`},
	{Command{Verb: Publish, Channel: "a", Data: []byte("é\n\""), Event: "e", Key: "k", Exclude: "s", Idempotency: "i"},
		`{"publish":{"channel":"a","data":"é\n\"","event":"e","key":"k","exclude":"s","idempotency_key":"i"}}`},
	{Command{ID: IDMax, Verb: Publish, Channel: "", Data: []byte{}}, `{"id":9007199254740991,"publish":{"channel":"","data":""}}`},
	{Command{ID: 4, Verb: Publish, Channel: "a", Kind: hub.JSON, Data: []byte(`{ "a":[1, null] }`)}, `{"id":4,"publish":{"channel":"a","data":{ "a":[1, null] }}}`},
	{Command{ID: 4, Verb: Publish, Channel: "a", Kind: hub.JSON, Data: []byte(` "x\n"`)}, `{"id":4,"publish":{"channel":"a","kind":"json","data":" \"x\\n\""}}`},
	{Command{ID: 4, Verb: Publish, Channel: "a", Kind: hub.Binary, Data: []byte{0, 1, 2}}, `{"id":4,"publish":{"channel":"a","data_base64":"AAEC"}}`},
	{Command{ID: 5, Verb: History, Channel: "a", Last: 3, Limit: 2}, `{"id":5,"history":{"channel":"a","last":3,"limit":2}}`},
	{Command{ID: 5, Verb: History, Channel: "a", Since: hub.Position{Epoch: "E"}}, `{"id":5,"history":{"channel":"a","since":"E:0"}}`},
	{Command{ID: 6, Verb: Presence, Channel: "a", Limit: 2, Cursor: "c", ByUser: true, CountOnly: true},
		`{"id":6,"presence":{"channel":"a","limit":2,"cursor":"c","by":"user","count":true}}`},
	{Command{ID: 7, Verb: Digest, Channel: "a", Last: 9}, `{"id":7,"digest":{"channel":"a","last":9}}`},
	{Command{ID: 8, Verb: RPC, Method: "m", Kind: hub.JSON, Data: []byte("null"), Timeout: 5 * time.Millisecond}, `{"id":8,"rpc":{"method":"m","data":null,"timeout_ms":5}}`},
	{Command{ID: 8, Verb: RPC, Method: "m"}, `{"id":8,"rpc":{"method":"m"}}`},
	{Command{ID: 8, Verb: RPC, Method: "m", Kind: hub.Binary, Data: []byte{255}}, `{"id":8,"rpc":{"method":"m","data_base64":"/w=="}}`},
	{Command{ID: 9, Verb: Cancel, Target: 8}, `{"id":9,"cancel":{"rpc":8}}`},
	{Command{ID: 10, Verb: Register, Method: "m/*", Concurrency: 8}, `{"id":10,"register":{"method":"m/*","concurrency":8}}`},
	{Command{ID: 11, Verb: Unregister, Method: "m/*"}, `{"id":11,"unregister":{"method":"m/*"}}`},
	{Command{ID: 12, Verb: Answer, Target: 7, Data: []byte("x")}, `{"id":12,"answer":{"call":7,"data":"x"}}`},
	{Command{ID: 12, Verb: Answer, Target: 7, Kind: hub.Binary, Data: []byte{}}, `{"id":12,"answer":{"call":7,"data_base64":""}}`},
	{Command{ID: 12, Verb: Answer, Target: 7, Failure: &Failure{"t", "u", "v", []byte("[1]")}},
		`{"id":12,"answer":{"call":7,"error":{"type":"t","title":"u","detail":"v","data":[1]}}}`},
	{Command{ID: 12, Verb: Answer, Target: 7, Failure: &Failure{}}, `{"id":12,"answer":{"call":7,"error":{}}}`},
	{Command{ID: 13, Verb: Refresh, Token: "t"}, `{"id":13,"refresh":{"token":"t"}}`},
	{Command{ID: 14, Verb: Ping}, `{"id":14,"ping":{}}`},
	{Command{ID: 15, Verb: End}, `{"id":15,"end":{}}`},
}

// Every field of every verb is written as it stands in docs/protocol.md §4, and read as
// it was.
func TestCommandsAreWritten(t *testing.T) {
	written := map[Verb]bool{}
	for _, test := range wholeCommands {
		written[test.command.Verb] = true
		if got := string(AppendCommand([]byte("before"), &test.command)); got != "before"+test.text {
			t.Errorf("%+v is written as\n%s, not\n%s", test.command, got, test.text)
		}
		if c, err := ParseCommand([]byte(test.text)); err != nil || !reflect.DeepEqual(c, test.command) {
			t.Errorf("%s is read as\n%+v, %v, not\n%+v", test.text, c, err, test.command)
		}
	}
	for v := Connect; int(v) < len(verbs); v++ {
		if !written[v] {
			t.Errorf("there is no test of %v", v)
		}
		for _, field := range verbs[v].fields {
			shown := []byte(`"` + field + `":`)
			isTested := false
			for _, test := range wholeCommands {
				isTested = isTested || test.command.Verb == v && bytes.Contains([]byte(test.text), shown)
			}
			if !isTested {
				t.Errorf("there is no test of %v.%s", v, field)
			}
		}
	}
}

// A command stays on its line.
func TestCommandsStayOnOneLine(t *testing.T) {
	for _, c := range []Command{
		{Verb: Publish, Channel: "a\nb", Kind: hub.JSON, Data: []byte("{\"a\":\r\n1}")},
		{Verb: RPC, Method: "a\nb", Kind: hub.JSON, Data: []byte("{\"a\":\r\n1}")},
	} {
		line := AppendCommand(nil, &c)
		if bytes.IndexByte(line, '\n') >= 0 {
			t.Errorf("%q", line)
		}
		want := string(c.Data)
		if c.Verb == RPC {
			want = `{"a":1}`
		}
		if again, err := ParseCommand(line); err != nil || again.Channel != c.Channel || again.Method != c.Method || string(again.Data) != want {
			t.Errorf("%q is read as %+v, %v", line, again, err)
		}
	}
}

// FuzzAppendCommand: a command that was read is written as it will be read again, on one line.
func FuzzAppendCommand(f *testing.F) {
	for _, seed := range commandSeeds {
		f.Add([]byte(seed))
	}
	for _, test := range wholeCommands {
		f.Add([]byte(test.text))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return // those are two
		}
		c, err := ParseCommand(line)
		if err != nil {
			return
		}
		written := AppendCommand(nil, &c)
		again, err := ParseCommand(written)
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%q, read as %+v, is written as %q and read as %+v, %v", line, c, written, again, err)
		}
	})
}

// FuzzCommandFields: whatever texts and bytes a program has in them, a command is read as
// it was written.
func FuzzCommandFields(f *testing.F) {
	f.Add("chat", []byte("text"), "event", "key", uint64(1), uint8(0))
	f.Add("a\x00\u2028", []byte{0xff}, "\"", "\\", uint64(IDMax), uint8(1))
	f.Fuzz(func(t *testing.T, channel string, data []byte, event, key string, id uint64, kind uint8) {
		c := Command{ID: id % (IDMax + 1), Verb: Publish, Channel: text8(channel), Data: append([]byte{}, data...), Event: text8(event), Key: text8(key)}
		if kind%2 == 1 {
			c.Kind = hub.Binary
		} else {
			c.Data = []byte(text8(string(data)))
		}
		line := AppendCommand(nil, &c)
		if again, err := ParseCommand(line); err != nil || !reflect.DeepEqual(again, c) || bytes.IndexByte(line, '\n') >= 0 {
			t.Fatalf("%+v is written as %q and read as %+v, %v", c, line, again, err)
		}
	})
}

// text8 is s in UTF-8.
func text8(s string) string { return string([]rune(s)) }

// The commands that come most, publish and subscribe, are read without much garbage: the
// texts that the command keeps, and no more.
func TestParseAllocs(t *testing.T) {
	for _, test := range []struct {
		line string
		most float64
	}{
		{`{"id":3,"publish":{"channel":"chat","data":{"x":1}}}`, 7}, // 6 without the race detector
		{`{"id":2,"subscribe":{"channel":"chat","since":"E:17"}}`, 7},
	} {
		line := []byte(test.line)
		got := testing.AllocsPerRun(500, func() {
			if _, err := ParseCommand(line); err != nil {
				t.Fatal(err)
			}
		})
		if got > test.most {
			t.Errorf("%s is read with %v allocations, more than %v", line, got, test.most)
		}
		t.Logf("%s: %v allocations", line, got)
	}
}
