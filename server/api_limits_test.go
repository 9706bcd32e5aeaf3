package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/server/identity"
)

// What holds for publications to a channel holds for those through the server API, too:
// the holder of a token gets round neither the application nor a rate.
func TestTheAPIIsNoWayRoundTheGuard(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(b), "spam"):
			io.WriteString(w, `{"deny":{"reason":"no spam"}}`)
		default:
			io.WriteString(w, `{"allow":{"data":"quiet"}}`)
		}
	}))
	defer application.Close()
	key := identity.NewKey()
	s := start(t, configured(t, fmt.Sprintf(protected, identity.HashKey(key))+fmt.Sprintf(`
trusted_proxies: [127.0.0.1]
limits: {publications_per_second_user: 2}
hooks:
  allow_private: true
  secrets: [env:HOOK_SECRET]
  publish: {url: %q, channels: ["asked/*"]}
`, application.URL)))
	token := newToken(t, "ann", time.Hour, `{"publish":["chat","asked/*"],"history":["asked/*"]}`)
	post := func(path, kind, body, credential string) (int, string) {
		a := s.do(t, "POST", "/api/v1/"+path, body, "Authorization", "Bearer "+credential, "Content-Type", kind, "X-Forwarded-For", "192.0.2.1")
		return a.StatusCode, a.body
	}
	const one = `{"channel":"asked/a","data":%q}`
	if code, content := post("publish", "application/json", fmt.Sprintf(one, "spam"), token); code != 403 || !strings.Contains(content, "no spam") {
		t.Errorf("what the application denies: %d %s", code, content)
	}
	if code, content := post("publish", "application/json", fmt.Sprintf(one, "loud"), token); code != 201 {
		t.Errorf("what the application changes: %d %s", code, content)
	}
	if code, content := post("publish", "application/json", fmt.Sprintf(one, "spam of the shop"), key); code != 201 {
		t.Errorf("a back end: %d %s", code, content)
	}
	_, page := ask(t, s, "GET", "/channels/asked/a", "Authorization", "Bearer "+token)
	if !strings.Contains(page, `"user":"ann","data":"quiet"`) || strings.Contains(page, "loud") || !strings.Contains(page, "spam of the shop") {
		t.Errorf("the history is %s", page)
	}
	line := `{"channel":"chat","data":"x"}`
	all := strings.Repeat(line+"\n", 100)
	for _, row := range []struct{ path, kind, body string }{
		{"batch", "application/x-ndjson", all},
		{"batch", "application/json", `{"publications":[` + strings.ReplaceAll(strings.TrimSpace(all), "\n", ",") + "]}"},
	} {
		for credential, isLimited := range map[string]bool{token: true, key: false} {
			code, content := post(row.path, row.kind, row.body, credential)
			refused := strings.Count(content, `"status":429`)
			if code != 200 || isLimited != (refused > 50) || !isLimited && refused > 0 {
				t.Errorf("%s: %d, and %d of 100 are refused; limited: %v", row.kind, code, refused, isLimited)
			}
		}
	}
}
