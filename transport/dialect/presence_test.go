package dialect

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

// FuzzAppendMembers: whatever a member is called, the list is JSON that says so.
func FuzzAppendMembers(f *testing.F) {
	f.Add("id", "websocket", "ann", `{"n": 1}`, 0, int64(0))
	f.Add("", "", "a\"\\\n\u2028", "", 3, int64(1_764_000_000_000_000_001))
	f.Fuzz(func(t *testing.T, id, transport, user, info string, sessions int, since int64) {
		if !utf8.ValidString(id+transport+user+info) || !json.Valid([]byte(info)) {
			info = ""
		}
		m := hub.Member{ID: id, Transport: transport, User: user, Info: info, Sessions: sessions, Since: time.Unix(0, since)}
		text := appendMembers(nil, []hub.Member{m, m})
		var got []struct {
			ID, User string
			Sessions int
			Since    time.Time
		}
		if err := json.Unmarshal(text, &got); err != nil || len(got) != 2 {
			t.Fatalf("%s: %v", text, err)
		}
		if g := got[1]; !g.Since.Equal(m.Since) || g.Sessions != max(sessions, 0) || utf8.ValidString(id) && g.ID != id || utf8.ValidString(user) && g.User != user {
			t.Errorf("%+v is %s", m, text)
		}
	})
}
