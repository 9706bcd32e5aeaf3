package identity_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// Where a token or a key may be, and what is wrong with other places.
func TestCredentials(t *testing.T) {
	key, unknown := identity.NewKey(), identity.NewKey()
	ids := newIdentities(t, &identity.Options{
		Issuers: []identity.Issuer{{Secret: secret, Cookie: "session"}, {PEM: publicPEM(edKey()), Name: "b", Cookie: "b"}},
		Keys:    []identity.Key{{Name: "till", Hash: identity.HashKey("gk_till")}, {Name: "shop", Hash: identity.HashKey(key)}},
	})
	ann := sign(t, "HS256", secret, nil, valid(nil))
	bob := sign(t, "HS256", secret, nil, valid(map[string]any{"sub": "bob"}))
	b := sign(t, "EdDSA", edKey(), nil, valid(map[string]any{"iss": "b"}))
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	fields := func(pairs ...string) http.Header {
		h := make(http.Header)
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	const auth, protocols = "Authorization", "Sec-WebSocket-Protocol"
	for name, c := range map[string]struct {
		r    head
		want string // who it is, or what is wrong
	}{
		"nothing":               {head{}, "an anonymous client"},
		"other parameters":      {head{query: "tokens=x&last=5&Token=y"}, "an anonymous client"},
		"bearer":                {head{fields: fields(auth, "Bearer "+ann)}, `the token of user "ann"`},
		"bearer, small":         {head{fields: fields(auth, "bearer   "+ann+" ")}, `the token of user "ann"`},
		"bearer, twice":         {head{fields: fields(auth, "Bearer "+ann, auth, "Bearer "+ann)}, `the token of user "ann"`},
		"bearer, two":           {head{fields: fields(auth, "Bearer "+ann, auth, "Bearer "+bob)}, "two different Authorization fields"},
		"bearer, empty":         {head{fields: fields(auth, "Bearer ")}, "Authorization: Bearer has no token"},
		"another scheme":        {head{fields: fields(auth, "Digest x")}, "Authorization is neither Bearer"},
		"query":                 {head{query: "last=5&token=" + ann}, `the token of user "ann"`},
		"query, encoded":        {head{query: "%74oken=" + strings.ReplaceAll(ann, ".", "%2E")}, `the token of user "ann"`},
		"query, twice":          {head{query: "token=" + ann + "&token=" + ann}, `the token of user "ann"`},
		"query, two":            {head{query: "token=" + ann + "&token=" + bob}, "two different tokens in the query"},
		"query, two, hidden":    {head{query: "token=" + ann + "&toke%6e=" + bob}, "two different tokens in the query"},
		"query, empty":          {head{query: "token="}, "the token in the query is empty"},
		"query, no value":       {head{query: "a&token&b"}, "the token in the query is empty"},
		"query, badly encoded":  {head{query: "token=%zz"}, "not percent-encoded correctly"},
		"query, a key":          {head{query: "token=" + key}, "a key does not belong into the query"},
		"subprotocol":           {head{fields: fields(protocols, "godwit.v1, godwit.token."+ann)}, `the token of user "ann"`},
		"subprotocol, lines":    {head{fields: fields(protocols, "godwit.v1", protocols, "godwit.token."+ann)}, `the token of user "ann"`},
		"subprotocol, two":      {head{fields: fields(protocols, "godwit.token."+bob+",godwit.token."+ann)}, "two different credentials, one in a subprotocol and one in a subprotocol"},
		"subprotocol, empty":    {head{fields: fields(protocols, "godwit.token.")}, "the token in a subprotocol is empty"},
		"subprotocol, a key":    {head{fields: fields(protocols, "godwit.token."+key)}, "a key does not belong into a subprotocol"},
		"other subprotocols":    {head{fields: fields(protocols, "godwit.v1, godwit.tokens")}, "an anonymous client"},
		"the same everywhere":   {head{fields: fields(auth, "Bearer "+ann, protocols, "godwit.token."+ann), query: "token=" + ann}, `the token of user "ann"`},
		"bearer and query":      {head{fields: fields(auth, "Bearer "+ann), query: "token=" + bob}, "two different credentials, one in Authorization and one in the query"},
		"key and query":         {head{fields: fields(auth, "Bearer "+key), query: "token=" + bob}, "two different credentials"},
		"query and subprotocol": {head{fields: fields(protocols, "godwit.token."+ann), query: "token=" + bob}, "two different credentials, one in the query and one in a subprotocol"},

		"cookie":                {head{fields: fields("Cookie", "a=1; session="+ann+"; c=3")}, `the token of user "ann"`},
		"cookie, quoted":        {head{fields: fields("Cookie", `session="`+ann+`"`)}, `the token of user "ann"`},
		"cookie, lines":         {head{fields: fields("Cookie", "a=1", "Cookie", "session="+ann)}, `the token of user "ann"`},
		"cookie, of another":    {head{fields: fields("Cookie", "b="+b)}, `the token of user "ann"`},
		"cookie, not its own":   {head{fields: fields("Cookie", "session="+b)}, "a key that is not known here"},
		"cookie, the other way": {head{fields: fields("Cookie", "b="+ann)}, "issuer is not accepted here"},
		"cookie, unnamed":       {head{fields: fields("Cookie", "sessions="+ann)}, "an anonymous client"},
		"cookie, deleted":       {head{fields: fields("Cookie", "session=; a=1")}, "an anonymous client"},
		"cookie, two":           {head{fields: fields("Cookie", "session="+ann+"; session="+bob)}, "two different cookies"},
		"cookie, a key":         {head{fields: fields("Cookie", "session="+key)}, "a key does not belong into a cookie"},
		"cookie, foreign":       {head{fields: fields("Cookie", "session="+ann), foreign: true}, "an anonymous client"},
		"token, foreign":        {head{query: "token=" + ann, foreign: true}, `the token of user "ann"`},
		"cookie and token":      {head{fields: fields("Cookie", "session="+ann), query: "token=" + bob}, `the token of user "bob"`},

		"key":                 {head{fields: fields(auth, "Bearer "+key)}, `the key "shop"`},
		"key, first":          {head{fields: fields(auth, "Bearer gk_till")}, `the key "till"`},
		"key, basic":          {head{fields: fields(auth, basic("anything:"+key))}, `the key "shop"`},
		"key, basic, user":    {head{fields: fields(auth, basic(key+":"))}, `the key "shop"`},
		"key, unknown":        {head{fields: fields(auth, "Bearer "+unknown)}, "the key is not known here"},
		"key, basic, unknown": {head{fields: fields(auth, basic("shop:"+unknown))}, "the key is not known here"},
		"key, its hash":       {head{fields: fields(auth, "Bearer gk_"+identity.HashKey(key))}, "the key is not known here"},
		"key, longer":         {head{fields: fields(auth, "Bearer "+key+"0")}, "the key is not known here"},
		"key, very long":      {head{fields: fields(auth, "Bearer gk_"+strings.Repeat("0", 10_000))}, "the key is not known here"},
		"basic, a token":      {head{fields: fields(auth, basic("ann:"+ann))}, "the password of Authorization: Basic is no key"},
		"basic, nonsense":     {head{fields: fields(auth, "Basic !")}, "not a user and a password in base64"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time as it is remembered
				id, err := identify(t, ids, c.r)
				if err == nil && id.String() != c.want || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, %v, want %s", id, err, c.want)
				}
			}
		})
	}
	// What was verified for a cookie is not so for any other place, and the other way.
	user(t, ids, head{query: "token=" + b}, "ann")
	refused(t, ids, head{fields: fields("Cookie", "session="+b)}, access.Unauthenticated, "a key that is not known here")
}

func TestKeys(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		key := identity.NewKey()
		if len(key) != 3+32 || !strings.HasPrefix(key, identity.KeyPrefix) || seen[key] || strings.ContainsAny(key[3:], "ilou") {
			t.Fatal(key)
		}
		seen[key] = true
	}
	grants, _ := access.ParseGrants(map[string][]string{"publish": {"**"}})
	ids := newIdentities(t, &identity.Options{Keys: []identity.Key{{Name: "shop", Hash: identity.HashKey("gk_x"), Grants: grants}}})
	id, err := identify(t, ids, bearer("gk_x"))
	if err != nil || id.Kind != access.Key || id.Name != "shop" || id.User != "" || id.Grants.String() != "publish on **" || !id.Expires.IsZero() {
		t.Errorf("%+v, %v", id, err)
	}
	if f := ids.Check(t.Context(), "gk_x", noon); f.Identity != id || f.Key != "shop" {
		t.Errorf("%+v", f)
	}
	if f := ids.Check(t.Context(), "gk_y", noon); f.Identity != nil || f.Reason == "" {
		t.Errorf("%+v", f)
	}
}
