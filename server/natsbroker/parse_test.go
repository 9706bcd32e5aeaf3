package natsbroker

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func TestSubjects(t *testing.T) {
	for channel, want := range map[string]string{
		"a":            "a",
		"chat/a b.c":   "chat.a%20b%2Ec",
		"x>y/100%":     "x%3Ey.100%25",
		"ä/ \u00a0/ü":  "ä.%20\u00a0.ü",
		"@ann/private": "@ann.private",
	} {
		subject := string(AppendSubject(nil, channel))
		if subject != want {
			t.Errorf("%q is %q, want %q", channel, subject, want)
		}
		if back, err := ParseSubject(subject); err != nil || back != channel {
			t.Errorf("%q is %q, %v", subject, back, err)
		}
	}
	for pattern, want := range map[string]string{"*": "*", "**": ">", "a/*": "a.*", "a.b/*/**": "a%2Eb.*.>", "*/x/*": "*.x.*"} {
		if got := string(appendPatternSubject([]byte("gw.in."), pattern)); got != "gw.in."+want {
			t.Errorf("%q is %q, want %q", pattern, got, want)
		}
	}
	longest := strings.Repeat(".", hub.ChannelNameBytesMax)
	if n := len(AppendSubject(nil, longest)); n != 3*hub.ChannelNameBytesMax {
		t.Errorf("the longest subject has %d bytes", n)
	}
}

// Each channel has one subject, and each subject one channel.
func FuzzParseSubject(f *testing.F) {
	for _, s := range []string{"a", "a.b%2Ec", "%", "%2e", "%41", "a%20b", "a/b", "%2E%2", "ä.%3E"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if channel, err := ParseSubject(s); err == nil {
			if again := string(AppendSubject(nil, channel)); again != s {
				t.Errorf("%q is the channel %q, whose subject is %q", s, channel, again)
			}
		}
		subject := string(AppendSubject(nil, s))
		if strings.ContainsAny(subject, "*> \t\r\n/") {
			t.Errorf("the subject of %q is %q", s, subject)
		}
		if back, err := ParseSubject(subject); err != nil || back != s {
			t.Errorf("the subject %q of %q is that of %q, %v", subject, s, back, err)
		}
	})
}

func FuzzParseMeta(f *testing.F) {
	for _, m := range []meta{
		{kind: hub.JSON, count: 1000, age: 10 * time.Minute, publisher: "s-1"},
		{kind: hub.Binary},
		{isMark: true, top: 77},
		{kind: hub.Text, count: 1, age: time.Millisecond, attributes: &hub.Attributes{
			Event: " a%b ", User: "ann", Key: "k/1=2", Exclude: "x", Trace: "00-1", Expires: time.Date(2126, 1, 2, 3, 4, 5, 6, time.UTC), Shape: hub.ShapeArgs,
		}},
	} {
		f.Add(string(appendMeta(nil, &m)))
	}
	for _, s := range []string{"", "1", "2 t 1 1", "1 t -1 1", "1 t 1 1 ", "1 t 1 1 z=new", "1 t 1 1 e", "1 t 1 1 e=%", "1 c x", "1 t 1 9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMeta(s)
		if err != nil {
			return
		}
		again := appendMeta(nil, &m)
		back, err := ParseMeta(string(again))
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%q is %+v, which is written %q and read as %+v, %v", s, m, again, back, err)
		}
	})
}

func FuzzParseAck(f *testing.F) {
	for _, s := range []string{
		`{"stream":"GODWIT","seq":1}`, `{"stream":"GODWIT","seq":18446744073709551615}`, `{"stream":"GODWIT","seq":12,"duplicate":true}`,
		`{"stream":"GODWIT", "seq": 3}`, `{"stream":"GODWIT","domain":"x","seq":3}`, `{"stream":"GODWIT","seq":007}`,
		`{"error":{"code":503,"err_code":10008,"description":"x"},"stream":"GODWIT","seq":0}`, `{}`, `[]`, `{"stream":"GODWIT","seq":1}x`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAck("GODWIT", data)
		var want struct {
			Seq       uint64    `json:"seq"`
			Duplicate bool      `json:"duplicate"`
			Error     *apiError `json:"error"`
		}
		if wrong := json.Unmarshal(data, &want); (wrong != nil || want.Seq == 0 && want.Error == nil) != (err != nil) {
			t.Fatalf("%q: %v, and encoding/json says %v", data, err, wrong)
		}
		if err == nil && (a.seq != want.Seq || a.duplicate != want.Duplicate || !reflect.DeepEqual(a.err, want.Error)) {
			t.Errorf("%q is %+v, want %+v", data, a, want)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	good, err := json.Marshal(record{Version: recordVersion, Epoch: "ABC", Created: time.Unix(1, 2).UTC(), Base: 7, High: 9, Began: time.Unix(3, 4).UTC()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, s := range []string{`{}`, `{"version":2,"epoch":"x"}`, `{"version":1,"epoch":"a b"}`, `{"version":1,"epoch":"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ParseRecord(data)
		if err != nil {
			return
		}
		if _, err := r.era().position(r.Base).MarshalText(); err != nil || r.Version != recordVersion {
			t.Errorf("%q is %+v: %v", data, r, err)
		}
	})
}

func TestOldServersAreRefused(t *testing.T) {
	for version, isRight := range map[string]bool{"2.11.0": true, "2.15.3": true, "3.0.0-beta": true, "2.10.29": false, "2.9.10": false, "": false, "x": false} {
		if err := checkVersion(version); (err == nil) != isRight {
			t.Errorf("%q: %v", version, err)
		}
	}
}
