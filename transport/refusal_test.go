package transport

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
)

func TestWriteRefusal(t *testing.T) {
	for _, row := range []struct {
		cause            access.Cause
		status           int
		challenge, after string
	}{
		{access.Unauthenticated, 401, `Bearer realm="godwit"`, ""},
		{access.Expired, 401, `Bearer realm="godwit", error="invalid_token"`, ""},
		{access.Denied, 403, "", ""},
		{access.TooMany, 429, "", "2"},
		{access.Unavailable, 503, "", "2"},
	} {
		w := httptest.NewRecorder()
		r := &access.Refusal{Cause: row.cause, Reason: "because", RetryAfter: 1500 * time.Millisecond}
		WriteRefusal(w, r)
		h := w.Header()
		if w.Code != row.status || h.Get("WWW-Authenticate") != row.challenge || h.Get("Retry-After") != row.after ||
			h.Get("Content-Type") != problemType || !strings.Contains(w.Body.String(), `"detail":"because"`) {
			t.Errorf("cause %d: %d %v %s", row.cause, w.Code, h, w.Body)
		}
		if RefusalProblem(r).Status != row.status {
			t.Errorf("cause %d is the problem %s", row.cause, RefusalProblem(r).Name)
		}
	}
}
