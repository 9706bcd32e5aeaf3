package redisbroker

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

var someMessages = []hub.Message{
	{},
	{Kind: hub.Text, Data: []byte("grüezi")},
	{Kind: hub.Binary, Data: []byte{0, 0xff, '\n'}, Publisher: "session"},
	{Kind: hub.JSON, Data: []byte(`{}`), Attributes: &hub.Attributes{}},
	{Kind: hub.JSON, Data: []byte(`[1]`), Attributes: &hub.Attributes{Event: "e", Shape: hub.ShapeArgs | hub.ShapeAttachments}},
	{Data: []byte("x"), Publisher: "p", Attributes: &hub.Attributes{Event: "joke", User: "ann", Key: "k/1", Exclude: "session", Expires: time.Date(2126, 1, 2, 3, 4, 5, 6, time.UTC), Trace: "t"}},
}

func TestRecordsSurvive(t *testing.T) {
	for _, m := range someMessages {
		b := appendRecord(nil, &m)
		var p hub.Publication
		if err := parseRecord(b, &p); err != nil {
			t.Fatal(err)
		}
		if p.Kind != m.Kind || !bytes.Equal(p.Data, m.Data) || p.Publisher != m.Publisher || !reflect.DeepEqual(p.Attributes, m.Attributes) {
			t.Errorf("%+v has become %+v with %+v", m, p, p.Attributes)
		}
		// What stands before the payload is cut nowhere without being noticed.
		for n := range len(b) - len(m.Data) {
			if err := parseRecord(b[:n], &hub.Publication{}); err == nil {
				t.Errorf("%d bytes of %q are a record", n, b)
			}
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, m := range someMessages {
		f.Add(appendRecord(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p hub.Publication
		if parseRecord(b, &p) != nil {
			return
		}
		// What was understood is understood again, and alike.
		again := appendRecord(nil, &hub.Message{Kind: p.Kind, Data: p.Data, Publisher: p.Publisher, Attributes: p.Attributes})
		var q hub.Publication
		if err := parseRecord(again, &q); err != nil || !reflect.DeepEqual(p, q) {
			t.Fatalf("%+v is written as %q and read as %+v: %v", p, again, q, err)
		}
	})
}

func FuzzTold(f *testing.F) {
	for _, text := range []string{"+1764495000001 1764495000123 abc r", "*1 0 e ", "", "+", "+0 1 e x", "*1 1", "+1 1 e", "-1 1 e x", "+18446744073709551615 9 e_-Z xx"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseTold(b)
		if err != nil {
			return
		}
		kind := "+"
		if got.isFirst {
			kind = "*"
		}
		again, err := parseTold(fmt.Appendf(nil, "%s%d %d %s %s", kind, got.offset, got.ms, got.epoch, got.record))
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Fatalf("%q is %+v, and written and read again %+v: %v", b, got, again, err)
		}
		if _, err := got.publication("c"); err == nil && !got.isFirst && got.offset == 0 {
			t.Fatal("a publication without an offset")
		}
	})
}

func FuzzKept(f *testing.F) {
	for _, text := range []string{"+100:3600000", "*0:0", "", "+", "+1", "+:1", "+-1:1", "+1:-1", "x1:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKept(text)
		if err != nil {
			return
		}
		again, err := parseKept(fmt.Sprintf("%c%d:%d", text[0], k.count, k.ageMS))
		if err != nil || again != k {
			t.Fatalf("%q is %+v, and again %+v: %v", text, k, again, err)
		}
	})
}

func FuzzEpochValue(f *testing.F) {
	for _, text := range []string{"ABCDEFGHIJ 1764495000000 88c6e98dbe9fc3a5024197e94a7c31c6b7c7054c", "", "a b c", "a 1 ", "a:b 1 c", "a -1 c", "a 1 c d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, ms, replid, err := parseEpochValue(text)
		if err != nil {
			return
		}
		name2, ms2, replid2, err := parseEpochValue(fmt.Sprintf("%s %d %s", name, ms, replid))
		if err != nil || name != name2 || ms != ms2 || replid != replid2 {
			t.Fatalf("%q is %q, %d, %q and does not survive: %v", text, name, ms, replid, err)
		}
		if strings.ContainsAny(replid, "\r\n") || ms < 0 {
			t.Fatalf("%q has the replid %q, which would become a part of a script", text, replid)
		}
	})
}
