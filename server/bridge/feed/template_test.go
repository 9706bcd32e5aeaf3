package feed

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

const message = `{"s":"BTC-USD","pair":"BTC/USD","n":12.50,"yes":true,"none":null,"o":{"a":["x","y"]},"empty":"","up":"../x","closed":"private-x","c2":"a/presence-b","star":"*","nul":"a\u0000","euro":"\u20ac"}`

func TestTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"":                "",
		"fixed":           "fixed",
		"{/s}":            "BTC-USD",
		"{/o/a/1}-{/n}":   "y-12.50",
		"a {/yes} {+/s}!": "a true BTC-USD!",
		"{/euro}":         "€",
		"{/none}":         "?",
		"{/o}":            "?",
		"{/missing}x":     "?",
	} {
		parsed, err := ParseTemplate(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if parsed.String() != text {
			t.Errorf("%q is written as %q", text, parsed)
		}
		got, ok := parsed.Render([]byte(message))
		if !ok {
			got = "?"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"{", "}", "{}", "{s}", "{+}", "a{/s", "{/s}}", "{/~}", strings.Repeat("{/s}", templatePartsMax+1)} {
		if _, err := ParseTemplate(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestChannel(t *testing.T) {
	for text, want := range map[string]string{
		"eth/heads":           "eth/heads",
		"ticker/{/s}":         "ticker/BTC-USD",
		"ticker/{+/pair}":     "ticker/BTC/USD",
		"ticker/{/pair}":      "error: what is at /pair has a slash, for which a template has {+/pair}",
		"ticker/{/none}":      "error: there is no text or number at /none",
		"ticker/{/empty}":     "error: what is at /empty is empty",
		"t/{+/up}":            `error: it names no channel: the segment ".." is not allowed, because it is rewritten on its way in a URL`,
		"t/{/star}":           `error: it names no channel: it contains "*", which is for patterns; name one channel`,
		"t/{/nul}":            "error: it names no channel: it contains the control character U+0000; only printable characters are allowed",
		"t/{/closed}":         "error: it would be a closed channel, which only the template can say",
		"t/{+/c2}":            "error: it would be a closed channel, which only the template can say",
		"t/priv{/s}":          "t/privBTC-USD",
		"t/private-{/s}":      "t/private-BTC-USD",
		"private-t/{/s}":      "private-t/BTC-USD",
		"private-t/{/closed}": "error: it would be a closed channel, which only the template can say",
	} {
		c, err := ParseChannel(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		got, err := c.Of([]byte(message))
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":           "it is empty",
		"{/s}":       "begin with a segment of your own",
		"x{/s}":      "begin with a segment of your own",
		"a//{/s}":    "empty segment",
		"a/{/s}/":    "empty segment",
		"a/*/{/s}":   "for patterns",
		"a/{/s}/../": "not allowed",
		"a/{s}":      "no JSON pointer",
	} {
		if _, err := ParseChannel(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]bool{
		"/s = BTC-USD": true, "/s=BTC-USD": true, "/s = BTC": false, "/n = 12.50": true, "/n = 12.5": false, "/yes = true": true,
		"/yes = false": false, "/none = null": true, "/none": true, "/missing": false, "/missing = null": false, "/o": true, "/o = x": false, "/empty =": true, "/s =": false,
	} {
		f, err := ParseFilter(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := f.Matches([]byte(message)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	for _, text := range []string{"", "s = x", "= x", "/~ = x"} {
		if _, err := ParseFilter(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestRequest(t *testing.T) {
	for text, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe"}`: "1",
		`{"jsonrpc":"2.0","id":"a"}`:                        `"a"`,
		`{"jsonrpc":"2.0","id":null}`:                       "",
		`{"jsonrpc":"2.0","method":"x"}`:                    "",
		`{"op":"subscribe","id":1}`:                         "", // who knows how that is answered
		`["x"]`:                                             "",
		`{"jsonrpc":"2.0","id":{}}`:                         "error",
		`{"jsonrpc":"2.0","id":"` + strings.Repeat("x", idBytesMax) + `"}`: "error",
		`{`: "error",
	} {
		r, err := ParseRequest(text)
		got := r.ID()
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
}

// FuzzParseChannel: whatever a template and a message are, a channel is one, it begins as the template does, and it is
// closed only where the template closes it.
func FuzzParseChannel(f *testing.F) {
	for _, template := range []string{"a/{/s}", "a/{+/pair}", "a/b-{/n}/{/o/a/0}", "a/pri{/s}", "a/private-{/s}", "{", "a/{+/c2}"} {
		f.Add(template, message)
	}
	f.Add("a/pri{/x}", `{"x":"vate-1"}`)
	f.Add("a/{/x}{/y}", `{"x":"presen","y":"ce-"}`)
	f.Fuzz(func(t *testing.T, template, text string) {
		c, err := ParseChannel(template)
		if err != nil {
			return
		}
		if c.String() != template {
			t.Fatalf("%q is written as %q", template, c)
		}
		if !json.Valid([]byte(text)) {
			return
		}
		name, err := c.Of([]byte(text))
		if err != nil {
			return
		}
		if err := hub.CheckChannel(name); err != nil {
			t.Fatal(err)
		}
		prefix, _, isTemplate := strings.Cut(template, "{")
		if !strings.HasPrefix(name, prefix) || isTemplate && !strings.Contains(prefix, "/") {
			t.Fatalf("%q of %q has escaped", name, template)
		}
		if access.IsClosed(name) && !strings.Contains(template, access.PrivatePrefix) && !strings.Contains(template, access.PresencePrefix) {
			t.Fatalf("%q of %q is closed", name, template)
		}
	})
}

// FuzzParseTemplate: what is parsed is written as it was, and renders to a text or to none.
func FuzzParseTemplate(f *testing.F) {
	f.Add("{/s}-{+/pair}", message)
	f.Add("x{/a~1b}", `{"a/b":"\ud83d\ude00"}`)
	f.Add("{/s", message)
	f.Fuzz(func(t *testing.T, template, text string) {
		parsed, err := ParseTemplate(template)
		if err != nil {
			return
		}
		if parsed.String() != template {
			t.Fatalf("%q is written as %q", template, parsed)
		}
		if got, ok := parsed.Render([]byte(text)); parsed.IsFixed() && (!ok || got != template) {
			t.Fatalf("%q renders to %q", template, got)
		}
	})
}

// FuzzParseFilter: what is parsed means the same when it is written and parsed again.
func FuzzParseFilter(f *testing.F) {
	f.Add("/s = BTC-USD", message)
	f.Add("/none", message)
	f.Add("/a~0=~", "{}")
	f.Fuzz(func(t *testing.T, filter, text string) {
		parsed, err := ParseFilter(filter)
		if err != nil {
			return
		}
		again, err := ParseFilter(parsed.String())
		if err != nil || again.String() != parsed.String() {
			t.Fatalf("%q is written as %q: %v", filter, parsed, err)
		}
		if json.Valid([]byte(text)) && parsed.Matches([]byte(text)) != again.Matches([]byte(text)) {
			t.Fatal(filter)
		}
	})
}

// FuzzParseRequest: what is parsed is JSON, and an ID in it is one.
func FuzzParseRequest(f *testing.F) {
	f.Add(`{"jsonrpc":"2.0","id":1,"method":"eth_subscribe"}`)
	f.Add(`{"id":"x"}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRequest(text)
		if err == nil && (!json.Valid([]byte(text)) || r.ID() != "" && !json.Valid([]byte(r.ID()))) {
			t.Fatalf("%q: %q", text, r.ID())
		}
	})
}

func TestChannelMayBe(t *testing.T) {
	for text, names := range map[string]string{
		"eth/heads":        "eth/heads !eth/head !eth/heads/x",
		"ticker/{/s}":      "ticker/a !ticker/a/b !ticker !xticker/a",
		"t.x/{+/s}/end":    "t.x/a/b/end t.x/a/end !tyx/a/end !t.x/end",
		"a/{/s}-{/n}/{/o}": "a/1-2/3 !a/12/3",
	} {
		c, err := ParseChannel(text)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(names) {
			name, isNot := strings.CutPrefix(name, "!")
			if c.MayBe(name) == isNot {
				t.Errorf("%q may be %q: %v", text, name, !isNot)
			}
		}
	}
}
