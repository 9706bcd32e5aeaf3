package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/tracing"
)

func TestPublish(t *testing.T) {
	f := newFixture(t, nil)
	for i, row := range []struct {
		fields string
		kind   hub.Kind
		data   string
	}{
		{`"data":"hello"`, hub.Text, "hello"},
		{`"data":""`, hub.Text, ""},
		{`"data":"\u00e9\n\ud83d\ude00"`, hub.Text, "é\n😀"},
		{`"data":"hello","type":"text"`, hub.Text, "hello"},
		{`"data":"hello","type":"json"`, hub.JSON, `"hello"`},
		{`"data": {"a": [1, 2.50]} `, hub.JSON, `{"a": [1, 2.50]}`},
		{`"data":1e3,"type":"json"`, hub.JSON, `1e3`},
		{`"data":null`, hub.JSON, `null`},
		{`"data":[]`, hub.JSON, `[]`},
		{`"data_base64":"/+8="`, hub.Binary, "\xff\xef"},
		{`"data_base64":"_-8"`, hub.Binary, "\xff\xef"},
		{`"data_base64":""`, hub.Binary, ""},
		{`"d\u0061ta":"escaped name"`, hub.Text, "escaped name"},
	} {
		channel := fmt.Sprint("c/", i)
		a := f.do("root", "POST", "publish", ` { "channel" : "`+channel+`", `+row.fields+`}`).is(201)
		var got struct{ Channel, Position string }
		a.as(&got)
		list := f.history(channel)
		if len(list) != 1 || list[0].Kind != row.kind || string(list[0].Data) != row.data || got.Position != list[0].Position.String() || got.Channel != channel {
			t.Errorf("%s: %s, and in history %v", row.fields, a.body, list)
		}
	}
}

func TestPublishAttributes(t *testing.T) {
	f := newFixture(t, nil)
	s := f.session(nil, "c")
	f.know("ann", &access.Identity{Kind: access.Token, User: "ann", Grants: access.All()})
	body := `{"channel":"c","data":1,"event":"goal","key":"match","exclude":"` + s.ID() + `","idempotency_key":"k 1"}`
	first := f.do("ann", "POST", "publish", body).is(201)
	second := f.do("ann", "POST", "publish", body).is(200)
	if second.body != strings.Replace(first.body, "}", `,"duplicate":true}`, 1) || second.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("again: %v %s", second.header, second.body)
	}
	f.do("ann", "POST", "publish", `{"channel":"c","data":1}`, "Idempotency-Key", "k 1").is(200)
	f.do("ann", "POST", "publish", body, "Idempotency-Key", "k 1").is(200)
	f.do("ann", "POST", "publish", body, "Idempotency-Key", "k 2").is(400, "bad-idempotency-key: give one")
	f.do("root", "POST", "publish", `{"channel":"d","data":1}`).is(201)
	want := hub.Attributes{Event: "goal", User: "ann", Key: "match", Exclude: s.ID()}
	if list := f.history("c"); len(list) != 1 || *list[0].Attributes != want {
		t.Errorf("in history: %+v", list[0].Attributes)
	}
	if list := f.history("d"); list[0].Attributes != nil {
		t.Errorf("without attributes it has %+v", list[0].Attributes)
	}
	if pushes, err := s.Take(nil); len(pushes) > 0 || err != nil {
		t.Errorf("the excluded session got %v, %v", pushes, err)
	}
}

// A publication belongs to the trace of its request, and a handler around this one
// knows which operation it was.
func TestTraceOfPublications(t *testing.T) {
	f := newFixture(t, nil)
	const span = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for path, body := range map[string]string{
		"publish":            `{"channel":"c","data":1}`,
		"batch":              `{"publications":[{"channel":"c","data":1},{"channel":"c","data":2}]}`,
		"users/ann/messages": `{"data":1}`,
	} {
		r := httptest.NewRequest("POST", Prefix+path, strings.NewReader(body))
		r = r.WithContext(tracing.WithTrace(r.Context(), span))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer root")
		w := httptest.NewRecorder()
		if f.api.ServeHTTP(w, r); w.Code >= 300 {
			t.Error(path, w.Code, w.Body)
		}
		if want := "POST /api/v1/" + strings.Replace(path, "ann", "{user}", 1); r.Pattern != want {
			t.Errorf("the pattern is %q, want %q", r.Pattern, want)
		}
	}
	list := append(f.history("c"), f.history("@ann")...)
	for _, p := range list {
		if p.Attributes == nil || p.Attributes.Trace != span {
			t.Errorf("%s has %+v", p.Channel, p.Attributes)
		}
	}
	if len(list) != 4 {
		t.Errorf("%d were published", len(list))
	}
}

// An error says what is wrong, where it is, and what would be right.
func TestPublishThatIsWrong(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.BodyBytesMax = 100 << 10 })
	for body, want := range map[string]string{
		` `:                                              "400 not-json: the body is empty; send a JSON object",
		`{"channel":"c","data":1`:                        "400 not-json: the body is not JSON: unexpected end of JSON input, at byte 23",
		`{"channel":"c",}`:                               "400 not-json: the body is not JSON: invalid character '}' looking for beginning of object key string, at byte 16",
		"{\"channel\":\"\xff\"}":                         "400 not-json: the body is not valid UTF-8",
		`{"channel":"c"}{}`:                              "400 not-json: the body is not JSON: invalid character '{' after top-level value, at byte 16",
		`["c",1]`:                                        "400 bad-field: the body is a list; send an object: the fields are channel, data",
		`{"channel":"c","Data":1}`:                       `400 bad-field: the body has the field "Data", at byte 15, which there is not; the fields are channel, data, data_base64, type, event, key, exclude, idempotency_key, ttl`,
		`{"channel":"c","data":1,"data":2}`:              "400 bad-field: the body has the field data twice, again at byte 24; give it once",
		`{"data":1}`:                                     "400 bad-field: the body has no field channel, which is the name of a channel",
		`{"channel":["a"],"data":1}`:                     "400 bad-field: the field channel of the body, at byte 11, is a list; it is the name of a channel",
		`{"channel":"","data":1}`:                        "400 bad-field: the field channel of the body, at byte 11, is an empty string; it is the name of a channel",
		`{"channel":"a//b","data":1}`:                    `400 bad-channel-name: channel "a//b" of the body: it has an empty segment`,
		`{"channel":"a/*","data":1}`:                     `400 bad-channel-name: channel "a/*" of the body: it contains "*"`,
		`{"channel":"c"}`:                                "400 bad-field: the body has no field data, which is any JSON value",
		`{"channel":"c","data":1,"data_base64":""}`:      "400 bad-field: the body has both data and data_base64; give one of them",
		`{"channel":"c","data_base64":"%"}`:              "400 bad-field: the field data_base64 of the body is not base64",
		`{"channel":"c","data_base64":7}`:                "400 bad-field: the field data_base64 of the body, at byte 29, is a number; it is bytes as a string in base64",
		`{"channel":"c","data_base64":"","type":"text"}`: "400 bad-field: the body has a type with data_base64",
		`{"channel":"c","data":1,"type":"text"}`:         "400 bad-field: the field data of the body, at byte 22, is a number; it is a string of whole characters",
		`{"channel":"c","data":"\ud83d"}`:                "400 bad-field: the field data of the body, at byte 22, is a string; it is a string of whole characters",
		`{"channel":"c","data":1,"type":"xml"}`:          `400 bad-field: the field type of the body is "xml"; it is "text" or "json"`,
		`{"channel":"c","data":1,"ttl":0}`:               "400 bad-field: the field ttl of the body, at byte 30, is a number; it is a number of seconds, from 0.001 to 315360000; leave it out for none",
		`{"channel":"c","data":1,"ttl":"60"}`:            "400 bad-field: the field ttl of the body, at byte 30, is a string; it is a number of seconds",
		`{"channel":"c","data":1,"ttl":1e99}`:            "400 bad-field: the field ttl of the body, at byte 30, is a number; it is a number of seconds",
		`{"channel":"c","data":1,"event":null}`:          "400 bad-field: the field event of the body, at byte 32, is null; it is the name of the event, a string; leave it out for none",
		`{"channel":"c","data":1,"event":"gap"}`:         `400 bad-attribute: attribute of a publication cannot be used: event "gap" is a name that the server uses itself`,
		`{"channel":"c","data":1,"key":"a\u0000"}`:       "400 bad-attribute",
		`{"channel":"c","data":1,"idempotency_key":"é"}`: "400 bad-idempotency-key",
		`{"channel":"c","data":"` + long(70<<10) + `"}`:  "413 body-too-large: publication too large: 71680 bytes, at most 65536 are allowed",
		`{"channel":"c","data":"` + long(110<<10) + `"}`: "413 body-too-large: the body is longer than 102400 bytes, which is the most that is read",
		`{"channel":"c","data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`: "400 not-json: the body is not JSON",
	} {
		a := f.do("root", "POST", "publish", body)
		if got := fmt.Sprint(a.status, " ", a.problem()); !strings.HasPrefix(got, want) {
			t.Errorf("%.100s\n got %s\nwant %s", body, got, want)
		}
	}
	if list := f.history("c"); len(list) > 0 {
		t.Errorf("%d were published", len(list))
	}
	for _, row := range [][]string{
		{"415", "Content-Type", ""},
		{"415", "Content-Type", "text/plain"},
		{"415", "Content-Type", "application/x-www-form-urlencoded"},
		{"415", "Content-Type", "application/x-ndjson"},
		{"415", "Content-Type", "application/json; charset=latin1"},
		{"415", "Content-Encoding", "gzip"},
		{"201", "Content-Type", "application/json; charset=UTF-8"},
		{"403", "Origin", "https://evil.example"},
		{"403", "Sec-Fetch-Site", "cross-site"},
		{"201", "Sec-Fetch-Site", "same-origin"},
	} {
		if a := f.do("root", "POST", "publish", `{"channel":"c","data":1}`, row[1:]...); fmt.Sprint(a.status) != row[0] {
			t.Errorf("%q: %d %s", row[1:], a.status, a.body)
		}
	}
}

func long(n int) string { return strings.Repeat("a", n) }

func TestPublishToUser(t *testing.T) {
	f := newFixture(t, nil)
	for user, channel := range map[string]string{"ann": "@ann", "a/b": "@a%2Fb", "50%": "@50%25", "Änne Ö": "@Änne Ö"} {
		var got struct{ Channel, Position string }
		f.do("root", "POST", "users/"+escaped(user)+"/messages", `{"data":"hi"}`).is(201).as(&got)
		if got.Channel != channel || len(f.history(channel)) != 1 {
			t.Errorf("%q: %+v", user, got)
		}
	}
	f.do("root", "POST", "users/"+long(300)+"/messages", `{"data":1}`).is(400, "bad-channel-name", "301 bytes")
	f.do("root", "POST", "users/ann/messages", `{"channel":"c","data":1}`).is(400, `bad-field: the body has the field "channel"`)
	f.do("root", "POST", "users/a/b/messages", `{"data":1}`).is(404)
}

type result struct {
	Position  string
	Duplicate bool
	End       bool
	Error     *struct {
		Type, Title, Detail string
		Status              int
	}
}

func (r result) String() string {
	if r.Error != nil {
		return fmt.Sprint(r.Error.Status, " ", strings.TrimPrefix(r.Error.Type, "https://godwit.io/problems/"))
	}
	return r.Position[strings.Index(r.Position, ":")+1:] + map[bool]string{true: " again"}[r.Duplicate]
}

func TestBatch(t *testing.T) {
	f := newFixture(t, nil)
	f.let("some", `{"publish":["a","b"]}`)
	a := f.do("some", "POST", "batch", `{"publications":[
		{"channel":"a","data":1}, {"channel":"b","data":1}, {"channel":"a","data":2,"idempotency_key":"k"},
		{"channel":"secret","data":3}, {"channel":"a","data":2,"idempotency_key":"k"}, 7, {"channel":"a"}, {"channel":"a/","data":1},
		{"channel":"a","data":"`+long(70<<10)+`"}, {"channel":"a","data":4} ]}`).is(200)
	var got struct {
		Results []result
		Failed  int
	}
	a.as(&got)
	want := "[1 1 2 403 forbidden 2 again 400 bad-field 400 bad-field 400 bad-channel-name 413 body-too-large 3]"
	if fmt.Sprint(got.Results) != want || got.Failed != 5 {
		t.Errorf("%d failed of\n     %v\nwant %s", got.Failed, got.Results, want)
	}
	if detail := got.Results[6].Error.Detail; !strings.HasPrefix(detail, "publications[6] has no field data") {
		t.Error(detail)
	}
	if len(f.history("secret")) > 0 || len(f.history("a")) != 3 {
		t.Error("what was published is not what was answered")
	}
	if a := f.do("root", "POST", "batch", ` { "publications" : [ ] } `).is(200); a.body != `{"results":[],"failed":0}`+"\n" {
		t.Error(a.body)
	}
}

// Of each channel the order is that of the batch, and the outcomes are in order, too,
// however many there are.
func TestBatchOfMany(t *testing.T) {
	f := newFixture(t, nil)
	var b strings.Builder
	for i := range BatchCountMax {
		fmt.Fprintf(&b, `,{"channel":"c/%d","data":%d}`, i%7, i)
	}
	one := b.String()[1:]
	var got struct {
		Results []result
		Failed  int
	}
	f.do("root", "POST", "batch", `{"publications":[`+one+`]}`).is(200).as(&got)
	for i, r := range got.Results {
		if want := fmt.Sprint(i/7 + 1); r.String() != want {
			t.Fatalf("result %d is %v, want %s", i, r, want)
		}
	}
	for c := range 7 {
		list := f.history(fmt.Sprint("c/", c))
		for j, p := range list {
			if string(p.Data) != fmt.Sprint(j*7+c) {
				t.Fatalf("channel %d has %s at %d", c, p.Data, j)
			}
		}
	}
	if len(got.Results) != BatchCountMax || got.Failed != 0 {
		t.Errorf("%d results, %d failed", len(got.Results), got.Failed)
	}
	f.do("root", "POST", "batch", `{"publications":[`+one+`,{"channel":"c","data":1}]}`).is(413, "body-too-large: the batch has more than 1000 publications; send several, or a stream as application/x-ndjson")
}

func TestBatchThatIsWrong(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.BatchBytesMax = 1000 })
	for body, want := range map[string]string{
		`{}`:                                "bad-field: the body has no field publications, which is a list of publications",
		`{"publications":{}}`:               "bad-field: the field publications of the body, at byte 16, is an object; it is a list of publications",
		`[]`:                                "bad-field: the body is a list",
		`{"publications":[],"atomic":true}`: `bad-field: the body has the field "atomic", at byte 19`,
		`{"publications":[1,]}`:             "not-json",
		`{"publications":["` + long(1000) + `"]}`: "body-too-large: the body is longer than 1000 bytes",
	} {
		if a := f.do("root", "POST", "batch", body); a.status < 400 || !strings.HasPrefix(a.problem(), want) {
			t.Errorf("%.50s: %d %s", body, a.status, a.problem())
		}
	}
	f.do("root", "POST", "batch", "x", "Content-Type", "text/csv").is(415, "send Content-Type: application/json or application/x-ndjson")
}

// A hub that is going away says so of each.
func TestPublishDuringShutdown(t *testing.T) {
	f := newFixture(t, nil)
	if err := f.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := f.do("root", "POST", "publish", `{"channel":"c","data":1}`).is(503, "shutting-down"); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a := f.do("root", "POST", "batch", `{"publications":[{"channel":"c","data":1}]}`).is(200)
	if !strings.Contains(a.body, "shutting-down") {
		t.Error(a.body)
	}
	f.do("root", "POST", "batch", "", "Content-Type", "application/x-ndjson").is(503, "shutting-down")
}

func TestElements(t *testing.T) {
	raw := ` [1, "a,]\"" ,{"x":[1,{}]} , [] ,null,true,-1.5e3]`
	list, tooMany := elements(raw[1:], 1, 10)
	var got []string
	for _, e := range list {
		if raw[e.at:e.at+len(e.raw)] != e.raw || !json.Valid([]byte(e.raw)) {
			t.Errorf("%q is not at %d", e.raw, e.at)
		}
		got = append(got, e.raw)
	}
	if want := []string{"1", `"a,]\""`, `{"x":[1,{}]}`, "[]", "null", "true", "-1.5e3"}; !slices.Equal(got, want) || tooMany {
		t.Errorf("%q", got)
	}
	if _, tooMany := elements(raw[1:], 1, 6); !tooMany {
		t.Error("7 are not more than 6")
	}
}

// A broker that gave up what it had begun is no client that has gone: nobody is told of a
// success, or nothing.
func TestPublishGivenUpByTheBroker(t *testing.T) {
	inner, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	broker := brokertest.NewTroubled(inner)
	broker.Make(brokertest.Publish, "c", brokertest.Trouble{Err: fmt.Errorf("asking for the stream: %w", context.Canceled)})
	f := newFixtureOn(t, broker, nil, nil)
	f.do("root", "POST", "publish", `{"channel":"c","data":1}`).is(503, "broker-unavailable")
	a := f.do("root", "POST", "batch", `{"publications":[{"channel":"c","data":1},{"channel":"d","data":1}]}`).is(200)
	if strings.Count(a.body, `/broker-unavailable"`) != 1 || !strings.Contains(a.body, `"position"`) || !strings.Contains(a.body, `"failed":1`) {
		t.Error(a.body)
	}

	// Where the client has gone in the middle of a batch, nobody reads what is written of it.
	ctx, leave := context.WithCancel(t.Context())
	leave()
	c := &call{API: f.api, r: httptest.NewRequestWithContext(ctx, "POST", Prefix+"batch", nil)}
	if one := c.faultOf(context.Canceled); !one.isGone || !strings.Contains(string(one.appendTo(nil)), `/broker-unavailable"`) {
		t.Errorf("%+v", one)
	}
}
