package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
)

// Whatever is accepted as a publication is what encoding/json sees, and nothing
// that it sees is left out.
func FuzzPublication(f *testing.F) {
	for _, seed := range []string{
		`{"channel":"c","data":"x"}`, ` { "channel" : "a/b" , "data" : {"a":[1,"]"]} } `, `{"channel":"c","data":"\ud83d\ude00","type":"json"}`,
		`{"channel":"c","data_base64":"_-8=","event":"e","key":"k","exclude":"x","idempotency_key":"1"}`, `{"ch\u0061nnel":"c","data":null}`,
		`{"channel":"c","data":"\ud83d"}`, `{}`, `[]`, `{"channel":"c","data":1,"data":2}`, `{"a":{"b":[{}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, fault := readPublication(b, "the body", fieldsOfPublication)
		if fault != nil {
			if fault.detail == "" || fault.problem == nil || !utf8.ValidString(fault.detail) {
				t.Errorf("%q: %+v", b, fault)
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		text := func(name string) (s string) {
			if raw, ok := want[name]; ok {
				if err := json.Unmarshal(raw, &s); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			return s
		}
		for name := range want {
			if !contains(fieldsOfPublication, name) {
				t.Errorf("%q has the field %q", b, name)
			}
		}
		a := hub.Attributes{}
		if m.Attributes != nil {
			a = *m.Attributes
		}
		if a.Expires.IsZero() != (want["ttl"] == nil) {
			t.Errorf("%q expires at %v", b, a.Expires)
		}
		a.Expires = time.Time{}
		if m.Channel != text("channel") || m.IdempotencyKey != text("idempotency_key") ||
			a != (hub.Attributes{Event: text("event"), Key: text("key"), Exclude: text("exclude")}) || hub.CheckChannel(m.Channel) != nil {
			t.Errorf("%q: %+v %+v", b, m, a)
		}
		switch m.Kind {
		case hub.Text:
			if string(m.Data) != text("data") || text("type") == "json" {
				t.Errorf("%q: %q", b, m.Data)
			}
		case hub.JSON:
			if string(m.Data) != string(want["data"]) || want["data"][0] == '"' && text("type") != "json" {
				t.Errorf("%q: %q", b, m.Data)
			}
		case hub.Binary:
			if _, ok := want["data"]; ok || want["data_base64"] == nil {
				t.Errorf("%q: %q", b, m.Data)
			}
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"channel":"c","data":1,"ttl":0.5}`))
	f.Add([]byte(`{"publications":[{"channel":"c","data":1},2,[],"x]",{"a":{"b":[{}]}}]}`))
	f.Add([]byte(` {"publications" : [ ] } `))
	f.Add([]byte(`{"publications":[1,2,3],"publications":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, fault := readBatch(b)
		if fault != nil {
			return
		}
		var want struct{ Publications []json.RawMessage }
		if err := json.Unmarshal(b, &want); err != nil || len(want.Publications) != len(list) {
			t.Fatalf("%q: %d publications, want %d: %v", b, len(list), len(want.Publications), err)
		}
		for i, e := range list {
			if e.raw != string(want.Publications[i]) || string(b[e.at:e.at+len(e.raw)]) != e.raw {
				t.Errorf("%q: publication %d is %q at %d, want %q", b, i, e.raw, e.at, want.Publications[i])
			}
			_, _ = readMessage(e.raw, e.at, "publications", fieldsOfPublication)
		}
	})
}

func FuzzRevocation(f *testing.F) {
	f.Add([]byte(`{"user":"ann","token_id":"7","before":"2026-11-29T12:00:00Z"}`))
	f.Add([]byte(`{"before":"0001-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, fault := readRevocation(b)
		if fault == nil && r == (identity.Revocation{}) {
			t.Errorf("%q revokes nothing and is accepted", b)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(cursor{'c', "a/b"}.String())
	f.Add(cursor{'s', "x"}.String())
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCursor(text)
		if ok && (c.String() != text || c.after == "" || len(c.after) > 255) {
			t.Errorf("%q is %+v, which is %q", text, c, c)
		}
	})
}

// A path means one operation, and its part is what was encoded.
func FuzzPath(f *testing.F) {
	f.Add("channels/a%2Fb/history")
	f.Add("users/ann/sessions")
	f.Add("users/ann/subscriptions/a/b")
	f.Fuzz(func(t *testing.T, path string) {
		for i := range routes {
			part, _, ok := routes[i].match(path)
			if !ok {
				continue
			}
			if hasPart := strings.Contains(routes[i].path, "{"); hasPart != (part != "") {
				t.Errorf("%q is %s of %q", path, routes[i].path, part)
			}
			for j := range routes {
				if _, _, ok := routes[j].match(path); ok && routes[i].method == routes[j].method && i != j {
					t.Errorf("%q is %s and %s", path, routes[i].path, routes[j].path)
				}
			}
		}
	})
}
