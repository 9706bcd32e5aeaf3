package inspect

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A report is pasted into bug trackers: passwords, and tokens in a query, are not
// in it, wherever they came from.
func TestReportHidesSecrets(t *testing.T) {
	t.Parallel()
	opens := func(p *peer) { p.open("X-Auth: hush"); p.behave() }
	echo := listen(t, nil, false, opens)
	for name, c := range map[string]struct {
		target string
		serve  func(p *peer)
		proxy  string
		shows  string // besides
	}{
		"opened":             {"ws://ada:hush@HOST/?token=hush&room=a", opens, "", "ada:...@"},
		"opened, long value": {"ws://HOST/?x=hush-hush-hush&room=a", opens, "", "x=...&room=a"},
		"token as a user":    {"ws://hush@HOST/?room=a", opens, "", "room=a"},
		"guessed":            {"HOST/?token=hush&room=a", opens, "", "room=a"},
		"refused":            {"ws://HOST/?token=hush&room=a", page("403 Forbidden", "no"), "", "room=a"},
		"not HTTP":           {"ws://HOST/?token=hush&room=a", func(p *peer) { p.say("no") }, "", "room=a"},
		"a redirect":         {"ws://HOST/", page("302 Found", "", "Location: http://"+echo+"/?ticket=hush&room=a"), "", "room=a"},
		"a redirect's user":  {"ws://HOST/", page("302 Found", "", "Location: http://ada:hush@"+echo+"/"), "", "ada:...@"},
		"to nowhere":         {"ws://HOST/", page("302 Found", "", "Location: ftp://ada:hush@h/?token=hush"), "", "ftp://"},
		"to no URL":          {"ws://HOST/", page("302 Found", "", "Location: http://ada:hush@h:port/"), "", "http://..."},
		"to itself":          {"ws://HOST/?token=hush", page("302 Found", "", "Location: /?token=hush"), "", "redirect-loop"},
		"a proxy":            {"ws://h.example/", nil, "http://ada:hush@127.0.0.1:1", "ada:...@"},
		"a proxy's protocol": {"ws://h.example/", nil, "gopher://ada:hush@127.0.0.1:1", "gopher"},
		"no proxy's URL":     {"ws://h.example/", nil, "", "It is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := direct()
			o.Header = http.Header{"X-Access-Token": {"hush"}, "Referer": {"https://a.example/?code=hush"}}
			if c.serve == nil {
				o.Proxy = func(*http.Request) (*url.URL, error) {
					if c.proxy == "" {
						return nil, errors.New(`invalid proxy address "http://ada:hush@pro xy": no`)
					}
					return url.Parse(c.proxy)
				}
				c.serve = func(*peer) {}
			}
			r := look(t, strings.Replace(c.target, "HOST", listen(t, nil, false, c.serve), 1), o)
			var text strings.Builder
			if err := Print(&text, r, PrintOptions{Raw: true}); err != nil {
				t.Fatal(err)
			}
			document, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			both := text.String() + string(document)
			if i := strings.Index(both, "hush"); i >= 0 {
				t.Errorf("a secret is shown: %s", both[max(0, i-100):i+20])
			}
			if !strings.Contains(strings.ToLower(text.String()+string(document)), strings.ToLower(c.shows)) {
				t.Errorf("%q is missing in\n%s", c.shows, &text)
			}
		})
	}
	for target, want := range map[string]string{
		"ws://ada:hu/hush@h/":              `"ws://..."`,
		"ws://ada:hush@h:port/":            `"ws://..."`,
		"ada:hush@h:port":                  `"..."`,
		"ftp://ada:hush@h/":                `"ftp://ada:...@h/"`,
		"ws://h/?token=hush#x":             `"ws://h/?token=...#..."`,
		"ws://h/%zz?token=hush":            `"ws://..."`,
		"ws://h:0/?token=hush hush":        `"ws://h:0/?token=..."`,
		"ws://h:port/":                     `invalid port ":port"`,
		"ws://-%zz/?":                      "",
		"ws://ada:hush@m\u00fcnchen.test/": "xn--",
	} {
		_, err := Run(t.Context(), target, nil)
		var e *TargetError
		if !errors.As(err, &e) || strings.Contains(err.Error()+e.Target+e.Reason, "hush") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s in it", target, err, want)
		}
	}
}
