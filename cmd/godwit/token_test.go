package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/identity"
)

// writeFile writes a file of the test, and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// said runs a command that succeeds and returns what it printed.
func said(t *testing.T, input string, args ...string) string {
	t.Helper()
	r := do(t, input, args...)
	if r.code != exitOK || r.errOut != "" {
		t.Fatalf("godwit %s: %+v", strings.Join(args, " "), r)
	}
	return r.out
}

// denied runs a command that fails and checks that it says all of wants.
func denied(t *testing.T, args []string, wants ...string) {
	t.Helper()
	r := do(t, "", args...)
	if r.code != exitFailure {
		t.Errorf("godwit %s: %+v", strings.Join(args, " "), r)
	}
	for _, want := range wants {
		if !strings.Contains(r.out+r.errOut, want) {
			t.Errorf("godwit %s: %+v, want %s", strings.Join(args, " "), r, want)
		}
	}
}

// What key new prints can be pasted into a configuration, and the key works there.
func TestKeyNew(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"shop":   nil,
		"Till-5": {"--grant", "publish=a/*", "--grant", `history={user}/"x'`, "--grant", "publish=b: #c"},
		"no":     {"--grant", "subscribe=**"},
		"12":     {"--grant", "presence=*"},
		"-1":     {"--grant", "presence=*"},
	} {
		key, lines, ok := strings.Cut(strings.TrimPrefix(said(t, "", append(append([]string{"key", "new"}, args...), "--", name)...), "key: "), "\n")
		if !ok || !strings.HasPrefix(key, identity.KeyPrefix) || len(key) != 35 {
			t.Fatalf("the key is %q", key)
		}
		c, err := server.Load(writeFile(t, "godwit.yaml", lines), nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, lines)
		}
		if k := c.Keys[0]; len(c.Keys) != 1 || k.Name != name || k.Hash != identity.HashKey(key) || strings.Contains(lines, key[3:]) {
			t.Errorf("%+v of\n%s", k, lines)
		}
		want := "publish on **; manage on **"
		if args != nil {
			patterns := make(map[string][]string)
			for i := 1; i < len(args); i += 2 {
				action, pattern, _ := strings.Cut(args[i], "=")
				patterns[action] = append(patterns[action], pattern)
			}
			g, err := access.ParseGrants(patterns)
			if err != nil {
				t.Fatal(err)
			}
			want = g.String()
		}
		if got := c.Keys[0].Grants.String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		file := writeFile(t, "godwit.yaml", lines)
		explained := said(t, key+"\n", "token", "explain", "-", "--config", file)
		if !strings.Contains(explained, "It counts") || !strings.Contains(explained, "may          "+visible(want)) {
			t.Error(explained)
		}
	}
}

// tokenConfig is a configuration with a secret that is in a file.
func tokenConfig(t *testing.T) (config, secret string) {
	secret = writeFile(t, "token.secret", "hush-hush-hush-hush-hush-hush-hush\n")
	return writeFile(t, "godwit.yaml", `
tokens:
  - secret: file:`+secret+`
    issuer: https://a.example
    audience: chat
keys:
  - name: shop
    hash: `+identity.HashKey("gk_hush")+`
    grants: {publish: ["**"]}
anonymous:
  subscribe: ["public/**"]
channels:
  - match: "lobby/*"
    allow: [publish]
  - match: "quiet"
hooks:
  subscribe: {url: "https://app.example/s", channels: ["asked/**"]}
  secrets: ["`+strings.Repeat("k", 32)+`"]
`), secret
}

func TestTokenMakeAndExplain(t *testing.T) {
	t.Parallel()
	config, secret := tokenConfig(t)
	token := strings.TrimSpace(said(t, "", "token", "make", "--user", "ann", "--subscribe", "chat/*", "--subscribe", "inbox/{user}", "--publish", "chat/*",
		"--info", `{"name": "Ann"}`, "--ttl", "2h", "--config", config))
	for _, input := range []string{token, token + "\n", "Bearer " + token} {
		got := said(t, input, "token", "explain", "-", "--config", config)
		for _, want := range []string{
			`alg  "HS256"`, `sub     "ann"`, `iss     "https://a.example"`, `aud     "chat"`, "Z, in ", "jti", "It counts",
			"verified by  tokens[0], the secret", `the token of user "ann"`, "subscribe on chat/*, inbox/{user}; publish on chat/*", `others know  {"name":"Ann"}`,
		} {
			if !strings.Contains(got, want) {
				t.Errorf("got\n%s\nwant %s", got, want)
			}
		}
	}
	// The same, without the configuration.
	if got := said(t, "", "token", "explain", token, "--secret", "file:"+secret); !strings.Contains(got, "verified by  --secret, the secret") {
		t.Error(got)
	}
	if got := said(t, "", "token", "explain", token); !strings.Contains(got, "It was not verified") || !strings.Contains(got, `sub     "ann"`) || strings.Contains(got, "It counts") {
		t.Error(got)
	}
	other := writeFile(t, "other.secret", strings.Repeat("x", 32))
	denied(t, []string{"token", "explain", token, "--secret", "file:" + other}, "It does not count", "signature is of no key that is known here", "it was tried with --secret, the secret", `sub     "ann"`)
	denied(t, []string{"token", "explain", "nonsense", "--config", config}, "the token cannot be read: it is not three parts")
	denied(t, []string{"token", "explain", "nonsense"}, "the token cannot be read: it is not three parts")
	denied(t, []string{"token", "explain", "gk_other", "--config", config}, "the key is not known here")

	wrong := strings.TrimSpace(said(t, "", "token", "make", "--config", config, "--audience", "other"))
	denied(t, []string{"token", "explain", wrong, "--config", config}, "for another audience", `its aud is ["other"], and tokens[0] accepts ["chat"]`, "signed by  tokens[0], the secret")
	late, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(-identity.DefaultSkew / 2).Unix()}).SignedString([]byte(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t, "", "token", "explain", late, "--secret", "file:"+other); !strings.Contains(got, " ago; it is still taken for the 1m0s by which clocks may differ") {
		t.Error(got)
	}
	endless := strings.TrimSpace(said(t, "", "token", "make", "--without-exp", "--config", config))
	denied(t, []string{"token", "explain", endless, "--config", config}, "the token has no claim exp")
}

func privateKeyFile(t *testing.T, private crypto.Signer) (privateFile, publicFile string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))),
		writeFile(t, "public.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
}

func TestTokenWithKeys(t *testing.T) {
	t.Parallel()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := jwkset.NewMemoryStorage()
	made, err := jwkset.NewJWKFromKey(ed.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "k-1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.KeyWrite(t.Context(), made); err != nil {
		t.Fatal(err)
	}
	content, err := set.JSONPublic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	defer issuer.Close()

	private, public := privateKeyFile(t, p256)
	token := strings.TrimSpace(said(t, "", "token", "make", "--user", "ann", "--key", "file:"+private))
	if got := said(t, "", "token", "explain", token, "--key", "file:"+public); !strings.Contains(got, `alg  "ES256"`) || !strings.Contains(got, "verified by  --key, key 1 of the file") {
		t.Error(got)
	}
	edPrivate, edPublic := privateKeyFile(t, ed)
	token = strings.TrimSpace(said(t, "", "token", "make", "--user", "ann", "--key", "file:"+edPrivate, "--kid", "k-1"))
	for _, jwks := range []string{issuer.URL, "file:" + writeFile(t, "set.json", string(content))} {
		if got := said(t, "", "token", "explain", token, "--jwks", jwks); !strings.Contains(got, `verified by  --jwks, key "k-1" of the set`) {
			t.Error(got)
		}
	}
	denied(t, []string{"token", "explain", token, "--key", "file:" + public}, "a key that is not known here", `its alg is "EdDSA" and its kid "k-1"`)
	issuer.Close()
	denied(t, []string{"token", "explain", token, "--jwks", issuer.URL}, "the set of --jwks cannot be fetched: ")
	if r := do(t, "", "token", "make", "--key", "file:"+edPublic); r.code != exitUsage || !strings.Contains(r.errOut, "it is a public key, which verifies") {
		t.Errorf("%+v", r)
	}
	if r := do(t, "", "token", "explain", token, "--key", "file:"+edPrivate); r.code != exitUsage || !strings.Contains(r.errOut, "it is a private key") {
		t.Errorf("%+v", r)
	}
}

func TestAccessExplain(t *testing.T) {
	t.Parallel()
	config, _ := tokenConfig(t)
	token := strings.TrimSpace(said(t, "", "token", "make", "--user", "ann", "--subscribe", "inbox/{user}", "--config", config))
	explain := func(args ...string) []string {
		return append([]string{"access", "explain", "--config", config}, args...)
	}
	for _, c := range []struct {
		args    []string
		allowed bool
		want    string
	}{
		{[]string{"subscribe", "public/news"}, true, "allowed: an anonymous client has the grant subscribe on public/**"},
		{[]string{"subscribe", "inbox/ann"}, false, "denied: an anonymous client may subscribe on public/**, none of which matches"},
		{[]string{"publish", "lobby/a"}, true, `allowed: everybody may publish there: channels[0], match "lobby/*"`},
		{[]string{"publish", "quiet"}, false, `channels[1], match "quiet": everything needs a grant`},
		{[]string{"--token", token, "subscribe", "inbox/ann"}, true, `allowed: the token of user "ann" has the grant subscribe on inbox/{user}`},
		{[]string{"--token", token, "subscribe", "inbox/bob"}, false, `this needs the grant subscribe on channel "inbox/bob"`},
		{[]string{"--token", token, "publish", "lobby/a"}, true, "verified by  tokens[0], the secret"},
		{[]string{"--token", "gk_hush", "publish", "any/thing"}, true, `allowed: the key "shop" has the grant publish on **`},
		{[]string{"--token", "gk_hush", "manage", "any/thing"}, false, `denied: the key "shop" has no grant to manage`},
		{[]string{"--token", "gk_wrong", "publish", "lobby/a"}, false, "denied: the key is not known here"},
		{[]string{"--token", token + "x", "publish", "lobby/a"}, false, "a client that shows it is refused"},
		{[]string{"subscribe", "asked/a"}, false, "on top       the application is asked each time (hooks.subscribe), and can deny it"},
	} {
		args := explain(c.args...)
		if c.allowed {
			if got := said(t, "", args...); !strings.Contains(got, c.want) || !strings.HasPrefix(got, "allowed: ") {
				t.Errorf("%q: %s, want %s", c.args, got, c.want)
			}
		} else {
			denied(t, args, c.want, "denied: ")
		}
	}
	if got := said(t, "", "access", "explain", "manage", "a"); !strings.HasPrefix(got, "allowed: nothing is protected on this server") {
		t.Error(got)
	}
	if got := said(t, token+"\n", explain("--token", "-", "subscribe", "inbox/ann")...); !strings.HasPrefix(got, "allowed: ") {
		t.Error(got)
	}
}

func TestTrustMistakes(t *testing.T) {
	t.Parallel()
	config, secret := tokenConfig(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"key"}, ""},
		{[]string{"key", "new"}, "an argument is missing; usage: godwit key new NAME"},
		{[]string{"key", "new", " "}, `" " is not a name; use letters, digits, - and _, 64 at most`},
		{[]string{"key", "new", "shop", "--grant", "publish"}, `--grant: "publish" is not an action and a pattern; write for example publish='shop/**'`},
		{[]string{"key", "new", "shop", "--grant", "pubish=a"}, `--grant: "pubish" is not an action; the actions are subscribe, publish`},
		{[]string{"key", "new", "shop", "--grant", "publish=a//b"}, `--grant: pattern "a//b": it has an empty segment`},
		{[]string{"token", "mke"}, `there is no command "token mke"; did you mean token make?`},
		{[]string{"token", "make"}, "there is nothing to sign with; give --secret env:NAME, --key file:PATH or --config FILE"},
		{[]string{"token", "make", "--secret", "hush"}, "--secret: write env:NAME or file:PATH; others can read what stands on a command line"},
		{[]string{"token", "make", "--secret", "env:NOT_SET_AT_ALL"}, "--secret: the variable NOT_SET_AT_ALL is not set"},
		{[]string{"token", "make", "--secret", "file:" + writeFile(t, "short", "hush")}, "the secret has 4 bytes, and whoever has a token can guess it; it needs 16"},
		{[]string{"token", "make", "--secret", "file:" + secret, "--key", "file:x"}, "--secret and --key exclude each other"},
		{[]string{"token", "make", "--secret", "file:" + secret, "--alg", "RS256"}, "this key signs with HS256, HS384, HS512, and not with"},
		{[]string{"token", "make", "--secret", "file:" + secret, "--ttl", "0s"}, "--ttl: 0s is no time that a token can be valid"},
		{[]string{"token", "make", "--secret", "file:" + secret, "--subscribe", "a/**/b"}, `--subscribe: pattern "a/**/b": ** stands for the rest`},
		{[]string{"token", "make", "--secret", "file:" + secret, "--info", "Ann"}, `--info: "Ann" is not JSON`},
		{[]string{"token", "make", "--config", writeFile(t, "c.yaml", "tokens: [{jwks: 'https://a.example/keys'}]")}, "tokens of the configuration has no secret to sign with"},
		{[]string{"token", "explain", "-"}, "there is no token"},
		{[]string{"token", "explain", "x", "--secret", "file:" + secret, "--jwks", "https://a.example"}, "--config, --secret, --key and --jwks exclude each other"},
		{[]string{"token", "explain", "x", "--jwks", "http://a.example/keys"}, "--jwks: \"http://a.example/keys\" is http"},
		{[]string{"token", "explain", "x", "--key", "file:" + secret}, "--key: there is no PEM block in it"},
		{[]string{"access", "explain", "read", "a"}, `"read" is not an action; the actions are`},
		{[]string{"access", "explain", "publish", "a//b"}, "channel"},
		{[]string{"access", "explain", "publish", "a", "--token", "", "--config", config}, "there is no token"},
	} {
		r := do(t, "", c.args...)
		if c.want == "" {
			if r.code != exitOK {
				t.Errorf("%q: %+v", c.args, r)
			}
			continue
		}
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.errOut, c.want) || strings.Count(r.errOut, "\n") != 1 || strings.Contains(strings.ReplaceAll(r.errOut, "token.secret", ""), "hush") {
			t.Errorf("%q: %+v, want %s", c.args, r, c.want)
		}
	}
}

func TestMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for at, want := range map[time.Duration]string{
		time.Hour:         "2026-11-29T13:00:00Z, in 1h0m0s",
		-90 * time.Second: "2026-11-29T11:58:30Z, 1m30s ago",
		0:                 "2026-11-29T12:00:00Z, in 0s",
	} {
		if got := moment(now.Add(at), now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
