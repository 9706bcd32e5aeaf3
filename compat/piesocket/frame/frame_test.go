package frame_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/godwit-io/godwit/compat/piesocket/frame"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want frame.Frame
	}{
		{`{}`, frame.Frame{IsPlain: true}},
		{` { "event" : "x" , "data" : [1, {"a":"}"}] } `, frame.Frame{Event: "x", Data: []byte(`[1, {"a":"}"}]`), IsPlain: true}},
		{`{"event":"x","data":"a","meta":null}`, frame.Frame{Event: "x", Data: []byte(`"a"`), Meta: []byte("null")}},
		{`{"event":"x","data":1.0e5,"more":true}`, frame.Frame{Event: "x", Data: []byte(`1.0e5`)}},
		{`{"event":7,"data":null}`, frame.Frame{Data: []byte("null"), IsPlain: true}},
		{`{"event":"a","event":"b","data":1,"data":2}`, frame.Frame{Event: "b", Data: []byte("2"), IsPlain: true}},
		{`{"event":"a","event":1}`, frame.Frame{IsPlain: true}},
		{`{"\u0065vent":"sys\u0074em::x","Event":"y"}`, frame.Frame{Event: "system::x"}},
		{`{"system::channel":"c","system::to":"ann","data":0}`, frame.Frame{Channel: "c", To: "ann", IsTagged: true, Data: []byte("0")}},
		{`{"system::channel":{"a":"\\\""},"event":"x"}`, frame.Frame{IsTagged: true, Event: "x"}},
	} {
		if got, ok := frame.Parse([]byte(c.text)); !ok || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%+v, %v, want\n%+v", c.text, got, ok, c.want)
		}
	}
	for _, text := range []string{"", " ", "x", `"{}"`, "[{}]", "{", "{}{}", `{"a"}`, `{"a":1,}`, "{'a':1}", "null", strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000)} {
		if f, ok := frame.Parse([]byte(text)); ok {
			t.Errorf("%.40s is %+v", text, f)
		}
	}
}

func TestPayload(t *testing.T) {
	for text, want := range map[string]string{
		`{"event":"x","data":{"a":1}}`:          `{"a":1}`,
		`{"data":"y","event":"x"}`:              `"y"`,
		`{"event":"x"}`:                         "",
		`{"data":1}`:                            "",
		`{"event":"x","data":1,"meta":{"a":1}}`: "",
		`{"event":"x","data":1,"other":1}`:      "",
		`[1]`:                                   "",
	} {
		if data, ok := frame.Payload([]byte(text)); string(data) != want || ok != (want != "") {
			t.Errorf("%s: %s, %v", text, data, ok)
		}
	}
}

// Numbers, white space inside and the order of members stay as they were.
func TestTags(t *testing.T) {
	for _, c := range []struct{ text, untagged, tagged string }{
		{`{}`, `{}`, `{"system::channel":"c"}`},
		{` { } `, `{}`, `{"system::channel":"c"}`},
		{`{"system::channel":"x"}`, `{}`, `{"system::channel":"c"}`},
		{`{"n":1.10,"event":"e","system::channel":"x","data":{ "b":2, "a":1 }}`, `{"n":1.10,"event":"e","data":{ "b":2, "a":1 }}`, `{"system::channel":"c","n":1.10,"event":"e","data":{ "b":2, "a":1 }}`},
		{`{"system::channel":"x", "a":1 ,"system::\u0063hannel":"y"}`, `{"a":1}`, `{"system::channel":"c","a":1}`},
	} {
		untagged := frame.AppendUntagged(nil, []byte(c.text))
		if string(untagged) != c.untagged {
			t.Errorf("%s without: %s", c.text, untagged)
		}
		if tagged := frame.AppendTagged(nil, untagged, "c"); string(tagged) != c.tagged {
			t.Errorf("%s with: %s", c.text, tagged)
		}
	}
	if got := string(frame.Append(nil, `a"b`, []byte("[1]"))); got != `{"event":"a\"b","data":[1]}` {
		t.Error(got)
	}
}

// A frame is read as by encoding/json, and a tag goes in and out again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		`{"event":"x","data":1}`, `{"event":"x","data":[{"a":"\"}"}],"meta":{}}`, `{"system::channel":"c","system::to":"u"}`, " {\n} ", `{"a":"\u0022\\"}`, `{"\ud800":1,"event":"\udfff"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := frame.Parse(b)
		var want map[string]json.RawMessage
		isObject := utf8.Valid(b) && json.Unmarshal(b, &want) == nil && want != nil
		if ok != isObject {
			t.Fatalf("%q: an object: %v, want %v", b, ok, isObject)
		}
		if !ok {
			return
		}
		var event string
		if json.Unmarshal(want["event"], &event) != nil {
			event = ""
		}
		if got.Event != event || string(got.Data) != string(want["data"]) || string(got.Meta) != string(want["meta"]) {
			t.Fatalf("%q: %+v, want %q", b, got, want)
		}
		if _, isTagged := want["system::channel"]; got.IsTagged != isTagged {
			t.Fatalf("%q: tagged: %v", b, got.IsTagged)
		}
		untagged := frame.AppendUntagged(nil, b)
		tagged := frame.AppendTagged(nil, untagged, "a channel")
		again, ok := frame.Parse(tagged)
		if !ok || again.Channel != "a channel" || again.Event != got.Event || string(again.Data) != string(got.Data) || again.To != got.To {
			t.Fatalf("%q became %q, which is %+v", b, tagged, again)
		}
		if back := frame.AppendUntagged(nil, tagged); string(back) != string(untagged) {
			t.Fatalf("%q became %q", untagged, back)
		}
	})
}
