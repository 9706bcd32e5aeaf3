package packet

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestExpandAndCollect(t *testing.T) {
	attachments := [][]byte{{1, 2, 3}, {}}
	const args = `"a",{"deep":[{"_placeholder":true,"num":1}],"n":12345678901234567890},{"num":0,"_placeholder":true}`
	expanded, err := AppendExpanded(nil, Args(args), attachments, AppendBase64Object("$base64"))
	if err != nil {
		t.Fatal(err)
	}
	if want := `"a",{"deep":[{"$base64":""}],"n":12345678901234567890},{"$base64":"AQID"}`; string(expanded) != want {
		t.Fatalf("got  %s\nwant %s", expanded, want)
	}
	collected, got := AppendCollected(nil, expanded, "$base64", nil)
	if want := `"a",{"deep":[{"_placeholder":true,"num":0}],"n":12345678901234567890},{"_placeholder":true,"num":1}`; string(collected) != want {
		t.Fatalf("got  %s\nwant %s", collected, want)
	}
	if want := [][]byte{{}, {1, 2, 3}}; !reflect.DeepEqual(got, want) {
		t.Errorf("attachments are %v, want %v", got, want)
	}
}

func TestCollectLeavesWhatIsNoBytes(t *testing.T) {
	for _, args := range []string{`{"$base64":"%"}`, `{"$base64":1}`, `{"$base64":"AQID","x":1}`, `{"base64":"AQID"}`, `"$base64"`, ``} {
		if got, attachments := AppendCollected(nil, Args(args), "$base64", nil); string(got) != args || attachments != nil {
			t.Errorf("%s becomes %s with %d attachments", args, got, len(attachments))
		}
	}
	many := strings.Repeat(`{"$base64":"AQID"},`, AttachmentsMax) + `{"$base64":"AQID"}`
	if got, attachments := AppendCollected(nil, Args(many), "$base64", nil); string(got) != many || attachments != nil {
		t.Errorf("%d objects become %d attachments, and clients refuse more than %d", AttachmentsMax+1, len(attachments), AttachmentsMax)
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, args := range []string{
		`{"_placeholder":true,"num":2}`,
		`{"_placeholder":true,"num":-1}`,
		`{"_placeholder":true,"num":"0"}`,
		`{"_placeholder":true,"num":0.5}`,
		`{"_placeholder":true,"num":00}`,
		`{"_placeholder":true}`,
		`{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}`,
	} {
		if got, err := AppendExpanded(nil, Args(args), [][]byte{{1}, {2}}, AppendBase64); !errors.Is(err, ErrPlaceholder) && args != `{"_placeholder":true,"num":00}` {
			t.Errorf("%s becomes %s: %v", args, got, err)
		}
	}
	for _, args := range []string{`{"_placeholder":false,"num":9}`, `{"_placeholder":1,"num":9}`, `"_placeholder"`, `["_placeholder",true]`} {
		if got, err := AppendExpanded(nil, Args(args), [][]byte{{1}}, AppendBase64); err != nil || string(got) != args {
			t.Errorf("%s becomes %s: %v", args, got, err)
		}
	}
}

func TestOutermostPlaceholder(t *testing.T) {
	const args = `{"x":{"_placeholder":true,"num":0},"\u005fplaceholder":true,"num":1}`
	got, err := AppendExpanded(nil, Args(args), [][]byte{{1}, {2}}, AppendBase64)
	if err != nil || string(got) != `"Ag=="` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestIsPlaceholder(t *testing.T) {
	if num, ok := IsPlaceholder([]byte(`{"_placeholder":true,"num":4}`)); num != 4 || !ok {
		t.Errorf("got %d, %v", num, ok)
	}
	for _, arg := range []string{``, `4`, `{}`, `{"x":{"_placeholder":true,"num":4}}`, `{"_placeholder":true,"num":10}`} {
		if _, ok := IsPlaceholder([]byte(arg)); ok {
			t.Errorf("%s is none", arg)
		}
	}
}

// FuzzExpand: the expanded text is valid, and collecting it gives the same bytes again.
func FuzzExpand(f *testing.F) {
	f.Add([]byte(`["a",{"_placeholder":true,"num":0}]`), []byte{1, 2})
	f.Add([]byte(`[{"num":1,"_placeholder":true},{"b":[{"_placeholder":true,"num":0}]}]`), []byte{})
	f.Add([]byte(`[{"$base64":"AQID"}]`), []byte("x"))
	f.Fuzz(func(t *testing.T, array, attachment []byte) {
		args, err := ParseArgs(array)
		if err != nil {
			return
		}
		attachments := [][]byte{attachment, append([]byte("other"), attachment...)}
		expanded, err := AppendExpanded(nil, args, attachments, AppendBase64Object("$base64"))
		if err != nil {
			return
		}
		if !json.Valid(Args(expanded).AppendArray(nil)) {
			t.Fatalf("%q becomes %q", args, expanded)
		}
		collected, found := AppendCollected(nil, expanded, "$base64", nil)
		again, err := AppendExpanded(nil, collected, found, AppendBase64Object("$base64"))
		if len(found) == 0 {
			return
		}
		third, _ := AppendCollected(nil, again, "$base64", nil)
		if err == nil && string(third) != string(collected) {
			t.Fatalf("%q\nbecomes %q\nthen %q", expanded, collected, third)
		}
	})
}
