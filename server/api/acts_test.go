package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
)

// endOf is why a session ended, nil if it has not.
func endOf(s *hub.Session) error {
	_, err := s.Take(nil)
	return err
}

func TestEndSession(t *testing.T) {
	f := newFixture(t, nil)
	f.let("a", `{"manage":["a"]}`)
	f.let("ab", `{"manage":["a","b"]}`)
	one, two, three, four := f.session(nil, "a"), f.session(nil, "a", "b"), f.session(nil, "c"), f.session(nil)
	f.do("a", "DELETE", "sessions/"+three.ID(), "").is(404, "not-found: there is no session with this ID that you manage")
	f.do("a", "DELETE", "sessions/"+four.ID(), "").is(404)
	f.do("a", "DELETE", "sessions/nobody", "").is(404)
	f.do("a", "DELETE", "sessions/"+two.ID(), "").is(403, "forbidden: this needs the grant manage on every channel of the session")
	if err := errors.Join(endOf(one), endOf(two), endOf(three), endOf(four)); err != nil {
		t.Fatal("a session ended:", err)
	}
	f.do("a", "DELETE", "sessions/"+one.ID(), "").is(204)
	f.do("ab", "DELETE", "sessions/"+two.ID(), "").is(204)
	f.do("root", "DELETE", "sessions/"+four.ID(), "").is(204)
	for _, s := range []*hub.Session{one, two, four} {
		var why *hub.Ended
		if err := endOf(s); !errors.As(err, &why) || why.Code != 4403 || why.Reconnect || why.Reason != "session ended by the server" {
			t.Errorf("it ended with %v", err)
		}
	}
	if log := f.logged(); !strings.Contains(log, `msg="session ended" session=`+one.ID()+` user="" by="the key \"a\""`) {
		t.Error(log)
	}
}

func TestEndSessionsOfUser(t *testing.T) {
	f := newFixture(t, nil)
	ann := &access.Identity{Kind: access.Token, User: "a/nn"}
	sessions := []*hub.Session{f.session(ann), f.session(ann, "c"), f.session(&access.Identity{User: "bob"}), f.session(nil)}
	if a := f.do("root", "DELETE", "users/a%2Fnn/sessions", "").is(200); a.body != `{"ended":2}`+"\n" {
		t.Error(a.body)
	}
	for i, s := range sessions {
		if (endOf(s) != nil) != (i < 2) {
			t.Errorf("session %d: %v", i, endOf(s))
		}
	}
}

// A channel in a path may have its slashes encoded, as generated clients do.
func TestClearHistory(t *testing.T) {
	f := newFixture(t, nil)
	for path, channel := range map[string]string{
		"channels/a/history":           "a",
		"channels/a/b/history":         "a/b",
		"channels/c%2Fd/history":       "c/d",
		"channels/a/history/history":   "a/history",
		"channels/%40ann/history":      "@ann",
		"channels/50%25%20off/history": "50% off",
	} {
		f.publish(channel, "1", "2")
		f.do("root", "DELETE", path, "").is(204)
		if list := f.history(channel); len(list) > 0 {
			t.Errorf("%s: %q has %d", path, channel, len(list))
		}
	}
	f.do("root", "DELETE", "channels/a//b/history", "").is(400, "bad-channel-name")
	f.do("root", "DELETE", "channels/a%2F/history", "").is(400, "bad-channel-name")
	f.do("root", "DELETE", "channels/history", "").is(404)
	f.do("root", "DELETE", "channels//history", "").is(404)
}

func TestRevoke(t *testing.T) {
	var got []identity.Revocation
	var fails error
	f := newFixture(t, func(o *Options) {
		o.Revoke = func(r identity.Revocation) error { got = append(got, r); return fails }
		o.IsRevoked = func(id *access.Identity) bool { return id != nil && id.User == "ann" }
	})
	ann, bob := f.session(&access.Identity{User: "ann"}), f.session(&access.Identity{User: "bob"})
	if a := f.do("root", "POST", "revocations", `{"user":"ann","token_id":"7","before":"2026-11-29T12:00:00.5+01:00"}`).is(200); a.body != `{"ended":1}`+"\n" {
		t.Error(a.body)
	}
	var why *access.Refusal
	if err := endOf(ann); !errors.As(err, &why) || why.Cause != access.Unauthenticated || why.Reason != "token revoked" || endOf(bob) != nil {
		t.Errorf("ann's ended with %v, bob's with %v", endOf(ann), endOf(bob))
	}
	f.do("root", "POST", "revocations", `{"token_id":"8"}`).is(200)
	if log := f.logged(); !strings.Contains(log, `msg="tokens revoked" user=ann token_id=7 before=2026-11-29T`) ||
		!strings.Contains(log, `msg="tokens revoked" token_id=8 ended=1 by=`) {
		t.Error(log)
	}
	want := []identity.Revocation{{User: "ann", TokenID: "7", Before: time.Date(2026, 11, 29, 11, 0, 0, 5e8, time.UTC)}, {TokenID: "8"}}
	if !slices.EqualFunc(got, want, func(a, b identity.Revocation) bool {
		return a.User == b.User && a.TokenID == b.TokenID && a.Before.Equal(b.Before)
	}) {
		t.Errorf("%+v", got)
	}
	for body, says := range map[string]string{
		`{}`:                                "bad-field: the body names nothing; give user, token_id, or before",
		`{"user":""}`:                       "bad-field: the field user of the body, at byte 8, is an empty string",
		`{"before":1764417600}`:             "bad-field: the field before of the body, at byte 10, is a number; it is a time such as",
		`{"before":"yesterday"}`:            "bad-field: the field before",
		`{"before":"0001-01-01T00:00:00Z"}`: "bad-field: the field before",
		`{"jti":"7"}`:                       `bad-field: the body has the field "jti", at byte 1, which there is not; the fields are user, token_id, before`,
	} {
		f.do("root", "POST", "revocations", body).is(400, says)
	}
	for _, row := range []struct {
		err    error
		status int
		says   string
	}{
		{identity.ErrRevocation, 400, "bad-field"},
		{identity.ErrRevocationsFull, 503, "overloaded: there are as many revocations"},
		{&access.Refusal{Cause: access.TooMany, Reason: "slower"}, 429, "too-many-requests: slower"},
		{errors.New("secret detail"), 503, "undecided"},
	} {
		fails = row.err
		if a := f.do("root", "POST", "revocations", `{"user":"x"}`).is(row.status, row.says); strings.Contains(a.body, "secret") {
			t.Error(a.body)
		}
	}
	if len(got) != 6 {
		t.Errorf("%d revocations", len(got))
	}
}

// With the identities of the server a token counts no more, and its session ends.
func TestRevokeWithIdentities(t *testing.T) {
	ids, err := identity.New(&identity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ids.Close()
	f := newFixture(t, func(o *Options) { o.Revoke, o.IsRevoked = ids.Revoke, ids.IsRevoked })
	old := f.session(&access.Identity{Kind: access.Token, User: "ann", IssuedAt: time.Now().Add(-time.Hour)})
	other := f.session(&access.Identity{Kind: access.Token, User: "bob", IssuedAt: time.Now().Add(-time.Hour)})
	f.do("root", "POST", "revocations", `{"user":"ann"}`).is(200)
	if endOf(old) == nil || endOf(other) != nil {
		t.Errorf("%v, %v", endOf(old), endOf(other))
	}
}

func TestWithoutTokens(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.IdentifyToken = nil })
	f.do("root", "POST", "revocations", `{"user":"ann"}`).is(501, "not-supported: this server has no tokens")
	f.do("root", "GET", "explain?action=publish&channel=a&token=x", "").is(501, "not-supported")
}

func TestInfo(t *testing.T) {
	var info any = map[string]any{"version": "1.2.3"}
	f := newFixture(t, func(o *Options) { o.Info = func() any { return info } })
	if a := f.do("root", "GET", "info", "").is(200); a.body != `{"version":"1.2.3"}`+"\n" {
		t.Error(a.body)
	}
	info = func() {}
	f.do("root", "GET", "info", "").is(500, "internal-error")
	f = newFixture(t, nil)
	if a := f.do("root", "GET", "info", "").is(200); a.body != "{}\n" {
		t.Error(a.body)
	}
}

func TestExplain(t *testing.T) {
	f := newFixture(t, nil)
	f.know("ann", &access.Identity{Kind: access.Token, User: "ann", Grants: f.grants(`{"subscribe":["chat/*"]}`)})
	for query, want := range map[string]string{
		"action=subscribe&channel=chat/a&token=ann": `{"allowed":true,"action":"subscribe","channel":"chat/a","identity":"the token of user \"ann\"","kind":"token","user":"ann",` +
			`"reason":"the token of user \"ann\" has the grant subscribe on chat/*"}`,
		"action=publish&channel=chat/a&token=ann": `{"allowed":false,"action":"publish","channel":"chat/a","identity":"the token of user \"ann\"","kind":"token","user":"ann",` +
			`"reason":"the token of user \"ann\" has no grant to publish"}`,
		"action=history&channel=a": `{"allowed":true,"action":"history","channel":"a","identity":"the key \"root\"","kind":"key",` +
			`"reason":"the key \"root\" has the grant manage on **, which includes history"}`,
		"action=publish&channel=a&token=nobody": `{"allowed":false,"action":"publish","channel":"a","reason":"the token is not known"}`,
	} {
		if a := f.do("root", "GET", "explain?"+query, "").is(200); a.body != want+"\n" {
			t.Errorf("%s\n got %swant %s", query, a.body, want)
		}
	}
	f.do("root", "GET", "explain?action=publish&channel=a&token=late", "").is(503, "undecided: the keys cannot be had now")
	if a := f.do("root", "GET", "explain?action=publish&channel=a&token=broken", "").is(503, "undecided"); strings.Contains(a.body, "secret") {
		t.Error(a.body)
	}
	f.do("root", "GET", "explain?action=read&channel=a", "").is(400, `bad-parameter: the parameter action: "read" is not an action`)
	f.do("root", "GET", "explain?channel=a", "").is(400, "bad-parameter")
	f.do("root", "GET", "explain?action=publish", "").is(400, "bad-parameter: the parameter channel is missing")
	f.do("root", "GET", "explain?action=publish&channel=a//b", "").is(400, "bad-channel-name")
}

func (f *fixture) grants(text string) access.Grants { return key(f.t, "", text).Grants }

// The token that is asked about is never that of the caller.
func TestExplainedTokenIsNoCredential(t *testing.T) {
	f := newFixture(t, nil)
	queries := []string{}
	identify := f.api.o.Identify
	f.api.o.Identify = func(r *http.Request) (*access.Identity, error) {
		queries = append(queries, r.URL.RawQuery, r.RequestURI)
		return identify(r)
	}
	f.do("root", "GET", "explain?token=root&action=publish&channel=a", "").is(200)
	f.do("", "GET", "explain?action=publish&%74oken=root&channel=a", "").is(401, "unauthorized: this needs the grant manage")
	for _, q := range queries {
		if strings.Contains(q, "root") || !strings.Contains(q, "action=publish&channel=a") {
			t.Errorf("Identify was given %q", q)
		}
	}
}
