package dialect

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

func TestAppendEnvelope(t *testing.T) {
	const head = `{"channel":"chat/α","position":"abc:7","time":"2026-11-21T09:30:00.5Z",`
	tests := []struct {
		kind hub.Kind
		data string
		want string
	}{
		{hub.Text, "hello", `"data":"hello"}`},
		{hub.Text, "", `"data":""}`},
		{hub.Text, "\"\\/\b\f\n\r\t\x00\x1f\x7f", `"data":"\"\\/\u0008\u000c\n\r\t\u0000\u001f` + "\x7f" + `"}`},
		{hub.Text, "<&>é😀", `"data":"<&>é😀"}`},
		{hub.Text, "a\u2028b\u2029c", `"data":"a\u2028b\u2029c"}`},
		{hub.Text, "a\xffb\xe2\x80", `"data":"a\ufffdb\ufffd\ufffd"}`},
		{hub.JSON, `{"a":[1,2.50,"x y"]}`, `"data":{"a":[1,2.50,"x y"]}}`},
		{hub.JSON, " {\r\n\t\"a b\" : [ 1 , 2.50 ] }\n", `"data":{"a b":[1,2.50]}}`},
		{hub.JSON, "null", `"data":null}`},
		{hub.JSON, "{ broken", `"data":"{ broken"}`},
		{hub.Binary, "\x00\xff\xfe", `"data_base64":"AP/+"}`},
		{hub.Binary, "", `"data_base64":""}`},
	}
	for _, test := range tests {
		prefix := []byte("kept")
		got := string(appendEnvelope(prefix, publication(test.kind, test.data)))
		if got != "kept"+head+test.want {
			t.Errorf("%q:\n got %s\nwant %s", test.data, got, "kept"+head+test.want)
		}
		if line := string(encodeLine(publication(test.kind, test.data))); strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) {
			t.Errorf("%q is no line of JSON: %q", test.data, line)
		}
	}
	p := publication(hub.Text, "x")
	p.Time = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("east", 3600))
	if got := string(appendEnvelope(nil, p)); !strings.Contains(got, `"time":"2026-01-02T02:04:05Z"`) {
		t.Errorf("times are not in UTC: %s", got)
	}
}

func FuzzAppendEnvelope(f *testing.F) {
	for _, seed := range []string{"", "hello", "\"\\\x00\u2028\u2029\x7f\xff", " [ 1 , \"a b\" ] ", "{\"a\":1e400}", "\u00e9\U0001F600"} {
		f.Add(seed, "chat", uint8(hub.Text))
		f.Add(seed, "a/\"b\"", uint8(hub.Binary))
		f.Add(seed, "ü", uint8(hub.JSON))
	}
	f.Fuzz(func(t *testing.T, data, channel string, k uint8) {
		p := publication(hub.Kind(k%3), data)
		p.Channel = channel
		if p.Kind == hub.JSON && (!json.Valid(p.Data) || !utf8.Valid(p.Data)) {
			return // the hub does not let it in
		}
		line := encodeLine(p)
		if bytes.IndexByte(line, '\n') != len(line)-1 || bytes.ContainsRune(line, '\u2028') && p.Kind == hub.Text {
			t.Fatalf("not one line: %q", line)
		}
		var got struct {
			Channel    *string          `json:"channel"`
			Position   *string          `json:"position"`
			Time       *time.Time       `json:"time"`
			Data       *json.RawMessage `json:"data"`
			DataBase64 *[]byte          `json:"data_base64"`
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if *got.Channel != strings.ToValidUTF8(channel, "\ufffd") && utf8.ValidString(channel) {
			t.Fatalf("channel %q became %q", channel, *got.Channel)
		}
		if *got.Position != "abc:7" || !got.Time.Equal(p.Time) {
			t.Fatalf("position or time: %s", line)
		}
		switch p.Kind {
		case hub.Binary:
			if got.Data != nil || !bytes.Equal(*got.DataBase64, p.Data) {
				t.Fatalf("%q became %s", data, line)
			}
		case hub.Text:
			var text string
			if err := json.Unmarshal(*got.Data, &text); err != nil || got.DataBase64 != nil {
				t.Fatal(err, string(line))
			}
			if utf8.ValidString(data) && text != data {
				t.Fatalf("%q became %q", data, text)
			}
		case hub.JSON:
			if string(bytes.TrimSpace(p.Data)) == "null" {
				return // a nil *RawMessage: encoding/json does not tell null from absent
			}
			var want, is any
			decode := func(b []byte, v *any) {
				d := json.NewDecoder(bytes.NewReader(b))
				d.UseNumber() // digits are kept as they are
				if err := d.Decode(v); err != nil {
					t.Fatal(err)
				}
			}
			decode(p.Data, &want)
			decode(*got.Data, &is)
			if !reflect.DeepEqual(want, is) {
				t.Fatalf("%s became %s", p.Data, *got.Data)
			}
		}
	})
}

// Each wire form of a publication is encoded once for all subscribers.
func TestFormsAreDistinct(t *testing.T) {
	d := &hub.Delivery{Publication: publication(hub.Text, "hello")}
	seen := map[string]bool{}
	for i, form := range []*hub.Form[[]byte]{formFrame, formEnvelope, formEvent, formLine} {
		first, again := form.Of(d), form.Of(d)
		if &first[0] != &again[0] {
			t.Errorf("form %d is not shared", i)
		}
		if seen[string(first)] {
			t.Errorf("form %d is the same as another", i)
		}
		seen[string(first)] = true
	}
}
