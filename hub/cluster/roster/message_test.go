package roster

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

var someMembers = []hub.Member{
	{ID: "abc", Transport: "websocket", Since: time.Unix(1, 2).UTC(), User: "ann", Info: `{"name":"Ann"}`},
	{ID: "d", Since: time.Unix(0, 0).UTC()},
}

// examples are messages of every kind.
func examples() map[string][]byte {
	return map[string][]byte{
		"change": appendChange(nil, &change{MembersChange: hub.MembersChange{
			Channel: "a/b c", Previous: 6, Number: 300, Joined: someMembers, Left: []string{"x", "y"}, Moving: []string{"z"}, Count: 12,
		}, node: "NODE"}),
		"big change":  appendChange(nil, &change{MembersChange: hub.MembersChange{Channel: "c", Number: 1}, node: "N", isTooBig: true}),
		"page query":  appendPageQuery(nil, &pageQuery{channel: "c", list: 4, page: 5}),
		"page":        appendPage(nil, &page{number: 1, asOf: 2, list: 3, pages: 4, members: someMembers}),
		"check query": appendCheckQuery(nil, []known{{"a", 7}, {"b", unknown}}),
		"check":       appendCheck(nil, &check{asOf: 9, news: []known{{"c", 0}}}),
		"count query": appendCountQuery(nil, []string{"c", "d"}),
		"count":       appendCounts(nil, []int{1234, 0}),
	}
}

// again parses a message as each kind, and encodes the result again.
func again(b []byte) map[string][]byte {
	out := make(map[string][]byte)
	if v, err := parseChange(b); err == nil {
		name := "change"
		if v.isTooBig {
			name = "big change"
		}
		out[name] = appendChange(nil, &v)
	}
	if v, err := parsePageQuery(b); err == nil {
		out["page query"] = appendPageQuery(nil, &v)
	}
	if v, err := parsePage(b); err == nil {
		out["page"] = appendPage(nil, &v)
	}
	if v, err := parseCheckQuery(b); err == nil {
		out["check query"] = appendCheckQuery(nil, v)
	}
	if v, err := parseCheck(b); err == nil {
		out["check"] = appendCheck(nil, &v)
	}
	if v, err := parseCountQuery(b); err == nil {
		out["count query"] = appendCountQuery(nil, v)
	}
	if v, err := parseCounts(b); err == nil {
		out["count"] = appendCounts(nil, v)
	}
	return out
}

// TestMessages: a message is parsed as it was sent, with any addition of a later version, and a
// message that is cut is none.
func TestMessages(t *testing.T) {
	for name, b := range examples() {
		if got := again(b)[name]; !bytes.Equal(got, b) {
			t.Errorf("%s: %x is parsed as %x", name, b, got)
		}
		if got := again(append(b[:len(b):len(b)], "more"...))[name]; !bytes.Equal(got, b) {
			t.Errorf("%s with a field of a later version is parsed as %x", name, got)
		}
		for n := range b {
			if got := again(b[:n])[name]; got != nil {
				t.Errorf("%d of %d bytes of a %s are parsed as %x", n, len(b), name, got)
			}
		}
	}
	c, err := parseChange(examples()["change"])
	if err != nil || !reflect.DeepEqual(c.Joined, someMembers) || c.Channel != "a/b c" || c.node != "NODE" || c.Count != 12 || len(c.Left) != 2 || len(c.Moving) != 1 {
		t.Errorf("a change is parsed as %+v, %v", c, err)
	}
}

// TestMembersOfLaterVersions: bytes behind the fields of a member are ignored.
func TestMembersOfLaterVersions(t *testing.T) {
	one := append(appendMember(nil, &someMembers[0]), "later"...)
	b := append([]byte{formatVersion + 1, 1, 2, 3, 1, 1, byte(len(one))}, one...)
	p, err := parsePage(b)
	if err != nil || !reflect.DeepEqual(p.members, someMembers[:1]) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestMessagesThatLie: a count that promises more than there is costs nothing.
func TestMessagesThatLie(t *testing.T) {
	huge := "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
	for _, b := range []string{
		"", "\x00", "\x01", "\x01" + huge, "\x01\x01\x01\x01\x01" + huge, "\x01\x01\x01\x01\x01\x01" + huge, "\x01\x01\x02\x01\x00\x01c\x01n" + huge,
		"\x01\x00\x00\x00\x00\x01c\x01n\x00\x00\x00", // the first change has the number 1
		"\x01\x05\x05\x00\x00\x01c\x01n\x00\x00\x00", // it is not the one before itself
		"\x01\x00\x01\x00\x00\x00\x01n\x00\x00\x00",  // no channel
	} {
		allocated := testing.AllocsPerRun(1, func() { again([]byte(b)) })
		for name := range again([]byte(b)) {
			if strings.Contains(name, "change") || name == "page" && strings.Contains(b, huge) {
				t.Errorf("%q is parsed as a %s", b, name)
			}
		}
		if allocated > 100 {
			t.Errorf("%q costs %v allocations", b, allocated)
		}
	}
}

// FuzzParse: no message of another node does harm, and a parsed message stays the same when
// it is encoded again.
func FuzzParse(f *testing.F) {
	for _, b := range examples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, once := range again(b) {
			if twice := again(once)[name]; !bytes.Equal(once, twice) {
				t.Errorf("%s: %x, and again %x", name, once, twice)
			}
		}
	})
}

func TestTopics(t *testing.T) {
	for channel, want := range map[string]string{"a/b": "members/a/b", "größe": "members/größe", "a b": "members#"} {
		if got := topicOf(channel); !strings.HasPrefix(got, want) || strings.ContainsAny(got, " ") {
			t.Errorf("the topic of %q is %q", channel, got)
		}
	}
	if topicOf("a b") == topicOf("a  b") {
		t.Error("two channels have one topic")
	}
}
