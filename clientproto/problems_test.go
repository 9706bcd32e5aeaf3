package clientproto

import (
	"encoding/json"
	"net/http"
	"testing"
)

func TestProblemTable(t *testing.T) {
	status := 0
	for _, p := range Problems() {
		if p.Status < status || p.Status < 400 || http.StatusText(p.Status) == "" {
			t.Errorf("%s: status %d is no error or out of order", p.Name, p.Status)
		}
		status = p.Status
		if !isName(p.Name) || p.Title == "" || !isSentence(p.Remedy) {
			t.Errorf("%+v is not complete", p)
		}
	}
}

func TestProblemDocument(t *testing.T) {
	b := ProblemNoPresence.AppendTo([]byte("x"), "quoted \"name\"\n\x00\u2028", []byte(`,"n":1`))
	var got map[string]any
	if b[0] != 'x' || b[len(b)-1] != '\n' || json.Unmarshal(b[1:], &got) != nil {
		t.Fatalf("%s", b)
	}
	if len(got) != 5 || got["type"] != "https://godwit.io/problems/presence-off" || got["title"] != ProblemNoPresence.Title ||
		got["status"] != 403.0 || got["detail"] != "quoted \"name\"\n\x00\u2028" || got["n"] != 1.0 {
		t.Errorf("document: %s", b)
	}
}
