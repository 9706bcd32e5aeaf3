package transport

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func TestProblemWrite(t *testing.T) {
	w := httptest.NewRecorder()
	ProblemChannelName.Write(w, "quoted \"name\"\n\x00\u2028")
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got["type"] != "https://godwit.io/problems/bad-channel-name" || got["title"] != "Bad channel name" ||
		got["status"] != 400.0 || got["detail"] != "quoted \"name\"\n\x00\u2028" {
		t.Errorf("document: %s", w.Body)
	}
}

// What a fault says of its status is not said of every problem of that kind.
func TestFaultsLeaveTheTableAlone(t *testing.T) {
	before := *ProblemUpgrade.Problem
	p := problemOf(&handshake.Fault{Rule: handshake.RuleKey, Status: http.StatusTeapot})
	if p.Status != http.StatusTeapot || p.Name != before.Name {
		t.Errorf("the problem is %+v", *p.Problem)
	}
	if *ProblemUpgrade.Problem != before {
		t.Errorf("the problem of everybody is %+v now", *ProblemUpgrade.Problem)
	}
}
