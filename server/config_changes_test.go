package server

import (
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
)

func TestChanges(t *testing.T) {
	secret := []TokenIssuer{{Secret: Secret{"env:A"}}}
	for name, row := range map[string]struct {
		before, after Config
		can, cannot   []string
	}{
		"nothing": {},
		"the same, from other memory": {
			before: Config{History: History{Count: new(5)}, Tokens: []TokenIssuer{{Secret: Secret{"env:A"}, Algorithms: []string{"HS256"}}}},
			after:  Config{History: History{Count: new(5)}, Tokens: []TokenIssuer{{Secret: Secret{"env:A"}, Algorithms: []string{"HS256"}}}},
		},
		"lists of nothing": {before: Config{Origins: []string{}}, after: Config{Tokens: []TokenIssuer{}}},
		"of each kind": {
			after: Config{
				Origins: []string{"*"}, Tokens: secret, Heartbeat: time.Minute, Log: Log{Level: "debug", Format: "json"},
				Limits: Limits{RequestsPerSecond: 1, Connections: 1}, Channels: []ChannelPolicy{{Match: pattern(t, "a")}},
				Keys:  []BackendKey{{Name: "a", Hash: hashOf('0'), Grants: access.All()}},
				Hooks: Hooks{Publish: ChannelHook{URL: "https://a.example/", Timeout: time.Second}, Secrets: []Secret{{"env:A"}}},
			},
			can: []string{"tokens", "keys", "channels", "hooks.publish.url", "hooks.publish.timeout", "hooks.secrets", "hooks.concurrency",
				"limits.requests_per_second", "log.level"},
			cannot: []string{"origins", "limits.connections", "heartbeat", "log.format"},
		},
		"anonymous of nothing": {after: Config{Anonymous: new(access.Grants)}, can: []string{"anonymous"}},
		"another secret":       {before: Config{Tokens: secret}, after: Config{Tokens: []TokenIssuer{{Secret: Secret{"env:B"}}}}, can: []string{"tokens"}},
		"a literal secret":     {before: Config{Tokens: []TokenIssuer{{Secret: Secret{"a"}}}}, after: Config{Tokens: []TokenIssuer{{Secret: Secret{"b"}}}}, can: []string{"tokens"}},
		"other grants": {
			before: Config{Keys: []BackendKey{{Name: "a", Hash: hashOf('0'), Grants: access.All()}}},
			after:  Config{Keys: []BackendKey{{Name: "a", Hash: hashOf('0'), Grants: grants(t, "publish", "a")}}},
			can:    []string{"keys"},
		},
		"other certificates": {
			before: Config{TLS: TLS{Cert: "a", Key: "b"}}, after: Config{TLS: TLS{Cert: "c", Key: "d"}}, cannot: []string{"tls.cert", "tls.key"},
		},
		"TLS on":  {after: Config{TLS: TLS{Cert: "c", Key: "d"}}, cannot: []string{"tls.cert", "tls.key"}},
		"TLS off": {before: Config{TLS: TLS{Cert: "c", Key: "d"}}, cannot: []string{"tls.cert", "tls.key"}},
		"no protection any more, here": {
			before: Config{Tokens: secret}, can: []string{"tokens"},
		},
		"no protection any more, where others are": {
			before: Config{Listen: []string{":80"}, Tokens: secret}, after: Config{Listen: []string{":80"}, Origins: []string{"*"}},
			cannot: []string{"origins", "tokens"},
		},
		"no protection any more, at an address that is left after a restart": {
			before: Config{Listen: []string{":80"}, Tokens: secret}, cannot: []string{"listen", "tokens"},
		},
		"no protection any more, on sockets that could be any": {
			before: Config{Listen: []string{"systemd:"}, Tokens: secret}, after: Config{Listen: []string{"systemd:"}}, cannot: []string{"tokens"},
		},
		"no protection any more, on purpose": {
			before: Config{Listen: []string{":80"}, Tokens: secret, Insecure: true}, after: Config{Listen: []string{":80"}, Insecure: true}, can: []string{"tokens"},
		},
		"another protection": {
			before: Config{Listen: []string{":80"}, Tokens: secret}, after: Config{Listen: []string{":80"}, Anonymous: new(access.Grants)}, can: []string{"tokens", "anonymous"},
		},
	} {
		before, err := row.before.normalize()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		after, err := row.after.normalize()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		can, cannot := Changes(before, after)
		if !slices.Equal(can, row.can) || !slices.Equal(cannot, row.cannot) {
			t.Errorf("%s: can %v, cannot %v; want %v, %v", name, can, cannot, row.can, row.cannot)
		}
	}
	for _, key := range changeable {
		if _, isSetting := settingIn(settings, key); !isSetting && len(keysIn(settings, key)) == 0 {
			t.Errorf("%s is neither a setting nor a section", key)
		}
	}
}

func grants(t *testing.T, action string, patterns ...string) access.Grants {
	t.Helper()
	g, err := access.ParseGrants(map[string][]string{action: patterns})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func hashOf(digit byte) string {
	return "sha256:" + string(slices.Repeat([]byte{digit}, 64))
}
