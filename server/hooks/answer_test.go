package hooks

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

var testTime = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestAnswersThatMakeNoSense(t *testing.T) {
	for answer, want := range map[string]string{
		``:                                      "the answer is no JSON object",
		`[]`:                                    "the answer is no JSON object",
		`true`:                                  "the answer is no JSON object",
		`{`:                                     "the answer is no valid JSON",
		`{"allow":{}`:                           "the answer is no valid JSON",
		`{"allow":{},}`:                         "the answer is no valid JSON",
		`{"allow":{}}{"deny":{}}`:               "the answer is followed by something else",
		`{"allow":{}} x`:                        "the answer is followed by something else",
		`{}`:                                    `neither "allow" nor "deny"`,
		`{"allow":null}`:                        `neither "allow" nor "deny"`,
		`{"allow":{},"deny":{}}`:                `both "allow" and "deny"`,
		`{"deny":{},"allow":{}}`:                `both "allow" and "deny"`,
		`{"allow":{},"allow":{}}`:               `has "allow" twice`,
		`{"deny":null,"deny":{},"allow":{}}`:    `has "deny" twice`,
		`{"Allow":{}}`:                          `has the member "Allow"; known are ["allow" "deny"]`,
		`{"ALLOW":{},"deny":{}}`:                `has the member "ALLOW"`,
		`{"allow":true}`:                        `"allow" is no JSON object`,
		`{"allow":[]}`:                          `"allow" is no JSON object`,
		`{"deny":"no"}`:                         `"deny" is no JSON object`,
		`{"deny":{"reason":1}}`:                 "deny.reason is no string",
		`{"deny":{"message":"no"}}`:             `"deny" has the member "message"; known are ["reason"]`,
		"{\"deny\":{\"reason\":\"\xff\"}}":      "it is not UTF-8",
		`{"allow":{"name":"ann"}}`:              `"allow" has the member "name"; known are ["user" "info" "grants" "expires_in"]`,
		`{"allow":{"user":1}}`:                  "allow.user is no string",
		`{"allow":{"user":"a\nb"}}`:             "allow.user contains a control character",
		`{"allow":{"grants":["chat/*"]}}`:       "allow.grants: access: grants are an object of lists",
		`{"allow":{"grants":{"read":["a"]}}}`:   `"read" is not an action`,
		`{"allow":{"grants":{"publish":[""]}}}`: "it is empty",
		`{"allow":{"expires_in":0}}`:            "allow.expires_in is 0; it is a number of seconds, more than 0",
		`{"allow":{"expires_in":-5}}`:           "allow.expires_in is -5",
		`{"allow":{"expires_in":1e300}}`:        "allow.expires_in is 1e300",
		`{"allow":{"expires_in":1e999}}`:        "allow.expires_in is 1e999",
		`{"allow":{"expires_in":"60"}}`:         `allow.expires_in is "60"`,
		`{"allow":{"user":"` + strings.Repeat("u", UserBytesMax+1) + `"}}`:   "allow.user is 256 bytes long; at most 255 are allowed",
		`{"allow":{"info":["` + strings.Repeat("i", InfoBytesMax-3) + `"]}}`: "allow.info is 4097 bytes long; at most 4096 are allowed",
	} {
		id, err := readConnect([]byte(answer), testTime)
		var denied *access.Refusal
		if err == nil || id != nil || errors.As(err, &denied) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v; want %q", answer, id, err, want)
		}
	}
	for answer, want := range map[string]string{
		`{"allow":{"data":1,"data_base64":""}}`:    `both "data" and "data_base64"`,
		`{"allow":{"data":null,"data_base64":""}}`: `both "data" and "data_base64"`,
		`{"allow":{"data_base64":1}}`:              "allow.data_base64 is no string",
		`{"allow":{"data_base64":"a*"}}`:           "allow.data_base64 is not base64",
		`{"allow":{"data_base64":"a"}}`:            "allow.data_base64 is not base64",
		`{"allow":{"payload":1}}`:                  `has the member "payload"`,
		`{"allow":{"data":}}`:                      "no valid JSON",
	} {
		a, err := readPublish([]byte(answer), hub.JSON)
		var denied *access.Refusal
		if err == nil || a.Changed || errors.As(err, &denied) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", answer, a, err, want)
		}
	}
	if err := readSubscribe([]byte(`{"allow":{"user":"ann"}}`)); err == nil {
		t.Error("a subscription has no user")
	}
}

func TestAnswersThatAllow(t *testing.T) {
	for answer, want := range map[string]access.Identity{
		`{"allow":{}}`: {},
		" {\"allow\" : { } , \"deny\" : null }\n":                           {},
		`{"allow":{"user":null,"info":null,"grants":null}}`:                 {},
		`{"allow":{"user":"Zoë","info":"x","expires_in":1}}`:                {User: "Zoë", Info: json.RawMessage(`"x"`), Expires: testTime.Add(time.Second)},
		`{"allow":{"user":"` + strings.Repeat("u", UserBytesMax) + `"}}`:    {User: strings.Repeat("u", UserBytesMax)},
		`{"allow":{"info": [ 1, 12345678901234567890 ],"expires_in":0.25}}`: {Info: json.RawMessage(`[1,12345678901234567890]`), Expires: testTime.Add(time.Second / 4)},
	} {
		id, err := readConnect([]byte(answer), testTime)
		if err != nil {
			t.Errorf("%s: %v", answer, err)
			continue
		}
		want.Kind, want.IssuedAt = access.Application, testTime
		if fmt.Sprintf("%#v", *id) != fmt.Sprintf("%#v", want) {
			t.Errorf("%s:\n got %#v\nwant %#v", answer, *id, want)
		}
	}
	for _, row := range []struct {
		answer string
		kind   hub.Kind
		want   PublishAnswer
	}{
		{`{"allow":{}}`, hub.Text, PublishAnswer{}},
		{`{"allow":{"data_base64":null}}`, hub.Text, PublishAnswer{}},
		{`{"allow":{"data":"a\u00e9"}}`, hub.Text, PublishAnswer{true, hub.Text, []byte("aé")}},
		{`{"allow":{"data":"a"}}`, hub.Binary, PublishAnswer{true, hub.Text, []byte("a")}},
		{`{"allow":{"data":"a"}}`, hub.JSON, PublishAnswer{true, hub.JSON, []byte(`"a"`)}},
		{`{"allow":{"data":{"b": 1e400}}}`, hub.Text, PublishAnswer{true, hub.JSON, []byte(`{"b": 1e400}`)}},
		{`{"allow":{"data":null}}`, hub.JSON, PublishAnswer{true, hub.JSON, []byte("null")}},
		{`{"allow":{"data":""}}`, hub.Text, PublishAnswer{true, hub.Text, []byte("")}},
		{`{"allow":{"data_base64":"/-8="}}`, hub.JSON, PublishAnswer{true, hub.Binary, []byte{0xff, 0xef}}},
		{`{"allow":{"data_base64":"_-8"}}`, hub.JSON, PublishAnswer{true, hub.Binary, []byte{0xff, 0xef}}},
	} {
		got, err := readPublish([]byte(row.answer), row.kind)
		if err != nil || got.Changed != row.want.Changed || got.Kind != row.want.Kind || string(got.Data) != string(row.want.Data) {
			t.Errorf("%s: %+v, %v; want %+v", row.answer, got, err, row.want)
		}
	}
}

func TestReasons(t *testing.T) {
	for reason, want := range map[string]string{
		`{"deny":{}}`:                                                           "the application does not allow it",
		`{"deny":{"reason":null},"allow":null}`:                                 "the application does not allow it",
		`{"deny":{"reason":" \n"}}`:                                             "the application does not allow it",
		`{"deny":{"reason":"no\r\nSet-Cookie: a=b"}}`:                           "no Set-Cookie: a=b",
		`{"deny":{"reason":"` + strings.Repeat("x", ReasonBytesMax) + `"}}`:     strings.Repeat("x", ReasonBytesMax),
		`{"deny":{"reason":"` + strings.Repeat("x", ReasonBytesMax+1) + `"}}`:   strings.Repeat("x", ReasonBytesMax-3) + "…",
		`{"deny":{"reason":"` + strings.Repeat("x", 118) + `éééééééééééééé"}}`:  strings.Repeat("x", 118) + "é…",
		`{"deny":{"reason":"a` + strings.Repeat("x", 118) + `éééééééééééééé"}}`: "a" + strings.Repeat("x", 118) + "…",
	} {
		if got := refusal(t, readSubscribe([]byte(reason))); got.Cause != access.Denied || got.Reason != want {
			t.Errorf("%s: %+v", reason, got)
		}
	}
}

func TestRetryAfterField(t *testing.T) {
	for field, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, " 120 ": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0,
		"99999999999999999999": 0, "9999999999": retryAfterMax,
		"Sun, 29 Nov 2026 12:00:30 GMT": 30 * time.Second, "Sun, 29 Nov 2026 11:00:00 GMT": 0, "Sun, 29 Nov 2099 11:00:00 GMT": retryAfterMax,
	} {
		if got := parseRetryAfter(field, testTime); got != want {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
}

// Whatever the application answers is one of three things: an allowance that the
// plain reading of it is, too, a refusal that a client may be told, or nonsense.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"allow":{"user":"ann","info":{"n":1},"grants":{"subscribe":["chat/*"]},"expires_in":60}}`,
		`{"deny":{"reason":"no"}}`, `{"allow":{"data":{"a":[1]}}}`, `{"allow":{"data_base64":"AA=="}}`, `{"allow":{}}`, `{"Allow":{}}`,
	} {
		f.Add([]byte(seed), uint8(0))
		f.Add([]byte(seed), uint8(2))
	}
	f.Fuzz(func(t *testing.T, answer []byte, k uint8) {
		var plain struct {
			Allow map[string]json.RawMessage `json:"allow"`
			Deny  *struct{ Reason string }   `json:"deny"`
		}
		plainErr := json.Unmarshal(answer, &plain)
		check := func(err error) (allowed bool) {
			var denied *access.Refusal
			switch {
			case errors.As(err, &denied):
				if plainErr != nil || plain.Deny == nil || plain.Allow != nil || denied.Cause != access.Denied {
					t.Fatalf("%q is the refusal %+v", answer, denied)
				}
				if r := denied.Reason; r == "" || len(r) > ReasonBytesMax || !utf8.ValidString(r) || strings.ContainsAny(r, "\r\n\x00") {
					t.Fatalf("the reason is %q", r)
				}
			case err == nil:
				if plainErr != nil || plain.Deny != nil || plain.Allow == nil {
					t.Fatalf("%q is allowed", answer)
				}
			}
			return err == nil
		}
		id, err := readConnect(answer, testTime)
		if check(err) != (id != nil) {
			t.Fatalf("%q: %v and %v", answer, id, err)
		}
		if id != nil {
			var user string
			_ = json.Unmarshal(plain.Allow["user"], &user)
			if id.User != user || id.Kind != access.Application || len(id.Info) > InfoBytesMax || id.Info != nil && !json.Valid(id.Info) {
				t.Fatalf("%q is %+v", answer, id)
			}
			if !id.Expires.IsZero() && (id.Expires.Before(testTime) || id.Expires.After(testTime.Add(lifetimeMax))) {
				t.Fatalf("%q ends %v", answer, id.Expires)
			}
		}
		check(readSubscribe(answer))
		kind := hub.Kind(k % 3)
		a, err := readPublish(answer, kind)
		if !check(err) {
			if a.Changed {
				t.Fatalf("%q: changed and %v", answer, err)
			}
			return
		}
		var text string
		switch {
		case !a.Changed:
			if plain.Allow["data"] != nil {
				t.Fatalf("%q changes nothing", answer)
			}
		case a.Kind == hub.Text:
			if err := json.Unmarshal(plain.Allow["data"], &text); err != nil || text != string(a.Data) || kind == hub.JSON || !utf8.Valid(a.Data) {
				t.Fatalf("%q is the text %q", answer, a.Data)
			}
		case a.Kind == hub.JSON:
			if string(a.Data) != string(plain.Allow["data"]) || !json.Valid(a.Data) {
				t.Fatalf("%q is the JSON %q", answer, a.Data)
			}
		case a.Kind == hub.Binary:
			_ = json.Unmarshal(plain.Allow["data_base64"], &text)
			b, err := base64.StdEncoding.DecodeString(text)
			if err == nil && string(b) != string(a.Data) {
				t.Fatalf("%q is %q", answer, a.Data)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120")
	f.Add("Sun, 29 Nov 2026 12:00:30 GMT")
	f.Fuzz(func(t *testing.T, field string) {
		if d := parseRetryAfter(field, testTime); d < 0 || d > retryAfterMax {
			t.Fatalf("%q is %v", field, d)
		}
	})
}
