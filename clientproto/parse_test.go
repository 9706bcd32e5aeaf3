package clientproto

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

var commandSeeds = []string{
	`{"id":1,"connect":{"token":"t","client":"name/1.2","resume":{"session":"a","secret":"b"},"messages":"E:1"}}`,
	`{"id":2,"subscribe":{"channel":"chat","since":"E:17","presence":"user","delta":"fossil","rate":5,"self":false}}`,
	`{"id":2,"subscribe":{"channel":"a/**","since":"AbC","last":10}}`,
	`{"id":3,"publish":{"channel":"chat","data":{"a":[1,"\u00e9\"",null]},"event":"e","key":"k","exclude":"s","idempotency_key":"i"}}`,
	`{"id":3,"publish":{"channel":"chat","data_base64":"AAEC"}}`,
	`{"id":3,"publish":{"channel":"chat","data":"[1, 2]","kind":"json"}}`,
	`{"id":4,"history":{"channel":"chat","last":3,"limit":2}}`,
	`{"id":5,"presence":{"channel":"chat","limit":2,"cursor":"c","by":"user","count":true}}`,
	`{"id":6,"rpc":{"method":"m/n","data":null,"timeout_ms":5}} `,
	`{"id":7,"answer":{"call":9,"error":{"type":"t","title":"u","detail":"v","data":{}}}}`,
	`{"cancel":{"rpc":6}, "id" : 8}`,
	`{"id":9,"ping":{}}`,
}

// FuzzParseCommand: a line that is read has been JSON with one command, and a mistake is
// explained without the whole of the line.
func FuzzParseCommand(f *testing.F) {
	for _, seed := range commandSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		given := bytes.Clone(line)
		c, err := ParseCommand(line)
		if !bytes.Equal(given, line) {
			t.Fatal("the line was changed")
		}
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) || wrong.Detail == "" || len(wrong.Detail) > 1024 {
				t.Fatalf("%#v", err)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(line, &members); err != nil {
			t.Fatalf("%q was read as %+v, and is %v", line, c, err)
		}
		body, ok := members[c.Verb.String()]
		if !ok || len(members) > 2 {
			t.Fatalf("%q was read as %+v", line, c)
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(body, &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			if !slices.Contains(verbs[c.Verb].fields, name) {
				t.Fatalf("%q has %q", line, name)
			}
		}
		if raw, ok := fields["data"]; ok && c.Kind == 0 {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil || text != string(c.Data) {
				t.Fatalf("the data of %q was read as %q", line, c.Data)
			}
		}
	})
}

func TestCommandsAreRead(t *testing.T) {
	for _, seed := range commandSeeds[:1] {
		c, err := ParseCommand([]byte(seed))
		if err != nil || c.ID != 1 || c.Token != "t" || c.Resume.Secret != "b" || c.Messages != "E:1" {
			t.Errorf("%s: %+v, %v", seed, c, err)
		}
	}
	for _, seed := range commandSeeds[1:] {
		if _, err := ParseCommand([]byte(seed)); err != nil && !strings.Contains(seed, `"last":10`) {
			t.Errorf("%s: %v", seed, err)
		}
	}
}

// TestKinds: a JSON value that stands as text is published as JSON, byte for byte.
func TestKinds(t *testing.T) {
	for _, value := range []string{`"x"`, "[1,\n 2]", " 1", "1", `"é"`, "{}\t"} {
		line := AppendCommand(nil, &Command{ID: 1, Verb: Publish, Channel: "a", Kind: hub.JSON, Data: []byte(value)})
		if c, err := ParseCommand(line); err != nil || c.Kind != hub.JSON || string(c.Data) != value {
			t.Errorf("%q: %s was read as %v %q, %v", value, line, c.Kind, c.Data, err)
		}
	}
	for fields, want := range map[string]string{
		`"data":"{","kind":"json"`:               "publish.data is not the text of one JSON value",
		`"data":{},"kind":"json"`:                "publish.kind is for data that is a string",
		`"kind":"json","data_base64":"AAEC"`:     "publish.kind is for data that is a string",
		`"data":"x","kind":"text"`:               `publish.kind is "json", or left out`,
		`"data":"x","kind":7`:                    "publish.kind is a string",
		`"kind":"json","kind":"json","data":"1"`: "given twice",
	} {
		_, err := ParseCommand([]byte(`{"id":1,"publish":{"channel":"a",` + fields + `}}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", fields, err, want)
		}
	}
}

// TestSinceIsOfItsKind: a pattern goes on with a vector, and a channel with a position.
func TestSinceIsOfItsKind(t *testing.T) {
	for fields, want := range map[string]string{
		`"channel":"a/**","since":"AbC"`:   "",
		`"channel":"a","since":"E:1"`:      "",
		`"channel":"a/**","since":"E:1"`:   "subscribe.since is a position",
		`"channel":"a","since":"AbC"`:      `subscribe.since "AbC" is no position`,
		`"channel":"a/**","last":1`:        "",
		`"channel":"a/*","presence":true`:  "subscribe.presence is not for patterns",
		`"channel":"a/*","presence":false`: "",
	} {
		_, err := ParseCommand([]byte(`{"id":1,"subscribe":{` + fields + `}}`))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", fields, err, want)
		}
	}
}
