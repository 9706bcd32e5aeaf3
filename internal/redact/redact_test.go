package redact_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/redact"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                "",
		"ws://app.example/chat":           "ws://app.example/chat",
		"ws://app.example:8000":           "ws://app.example:8000",
		"app.example":                     "app.example",
		"ws//app.example/chat":            "ws//app.example/chat",
		"ws://app.example:port/":          "ws://app.example:port/",
		"ws://exa mple/%zz":               "ws://exa mple/%zz",
		"ws://ada:hush@app.example/chat":  "ws://ada:...@app.example/chat",
		"ws://ada:@app.example/":          "ws://ada:...@app.example/",
		"ws://hush@app.example/":          "ws://...@app.example/",
		"//ada:hush@app.example":          "//ada:...@app.example",
		"ws://a%40b:hush@[::1]:80/%2F":    "ws://a%40b:...@[::1]:80/%2F",
		"ws://h/?token=hush":              "ws://h/?token=...",
		"ws://h/?EIO=4&transport=polling": "ws://h/?EIO=4&transport=polling",
		"ws://h/?x=hush-hush-hush":        "ws://h/?x=...",
		"ws://h/?hush-hush-hush":          "ws://h/?...",
		"ws://h/?x&y=&token=&last=10":     "ws://h/?x&y=&token=&last=10",
		"ws://h/?Api_Key=h&%74oken=hush":  "ws://h/?Api_Key=...&%74oken=...",
		"ws://h/?%zz=hush":                "ws://h/?%zz=...",
		"?://ada:hush@app.example=":       "...",
		"ws://h/?":                        "ws://h/?",
		"ws://h/#access=hush":             "ws://h/#...",
		"/login?next=/a&ticket=hush":      "/login?next=/a&ticket=...",

		// Where no parser can say which part is the password.
		"ws://ada:hu/sh@app.example/":         "ws://...",
		"ws://ada:hu?sh@app.example/":         "ws://...",
		"ws://ada:hu#sh@app.example/":         "ws://...",
		"ws://ada:12?sh@app.example/":         "ws://...",
		"ws://ada:12/sh@app.example/":         "ws://...",
		"ws://ada:hu@sh?@app.example/":        "ws://...",
		"/://ada:hu#sh@app.example":           "...",
		"ws://ada:hu sh@app.example/":         "ws://...",
		"ws://ada:hu%sh@app.example/":         "ws://...",
		"ws://ada:1/sh@app.example/":          "ws://...",
		"ada:hush@app.example":                "...",
		"ada:hush@app.example://x":            "...",
		"app.example:80/?token=hush":          "...",
		"ws://app.example:port/?token=hush":   "ws://...",
		"ws://app.example/%zz?token=hush":     "ws://...",
		"ws://h/\x00?token=hush":              "ws://...",
		"mailto:hush@app.example?x=hush-hush": "...",
	} {
		if got := redact.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestIsSecretName(t *testing.T) {
	for _, name := range []string{"token", "access_token", "X-Api-Key", "PASSWORD", "sid", "apiKey", "key2", "X-Amz-Signature", "code", "Authorization"} {
		if !redact.IsSecretName(name) {
			t.Errorf("%s is none", name)
		}
	}
	for _, name := range []string{"", "last", "since", "EIO", "transport", "envelope", "room", "keyboard", "pings", "X-Accel-Mapping", "Accept-Encoding"} {
		if redact.IsSecretName(name) {
			t.Errorf("%s is one", name)
		}
	}
}

// A password is not shown, wherever it stands and whatever it consists of.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a", "/", "?", "#", "@", "%", "%zz", " ", ":", "//", "=", "&", "\\", "\x00"} {
		f.Add("ws", seed, "/path")
		f.Add("", seed, "?q=1")
	}
	f.Fuzz(func(t *testing.T, scheme, inside, after string) {
		const first, last = "FIRST-SECRET", "LAST-SECRET"
		if strings.Contains(scheme+after, "SECRET") {
			return
		}
		secret := first + inside + last
		for _, raw := range []string{
			scheme + "://ada:" + secret + "@app.example" + after,
			"ws://app.example/?token=" + url.QueryEscape(secret) + after,
			"ws://app.example/?x=" + url.QueryEscape(secret) + after,
		} {
			got := redact.Text(raw)
			if strings.Contains(got, first) || strings.Contains(got, last) {
				t.Fatalf("%q is shown as %q", raw, got)
			}
			if again := redact.Text(got); strings.Contains(got, "://app.example/?") && again != got {
				t.Fatalf("%q becomes %q and then %q", raw, got, again)
			}
		}
	})
}
