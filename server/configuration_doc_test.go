package server

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// docs/configuration.md has a row for every setting, in their order and with the
// default that is in force when what it belongs to is on.
func TestConfigurationDoc(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Config{
		TLS:     TLS{ACME: ACME{Domains: []string{"a.example"}, Storage: "acme"}},
		Hooks:   Hooks{Connect: ConnectHook{URL: "http://a"}, Subscribe: ChannelHook{URL: "http://a"}, Publish: ChannelHook{URL: "http://a"}, RPC: RPCHook{URL: "http://a"}, SocketIO: SocketIOHook{URL: "http://a"}, Events: EventsHook{URL: "http://a"}, Secrets: []Secret{{"env:A"}}},
		Tracing: Tracing{Endpoint: "http://a"},
		Broker:  Broker{URL: []Secret{{"nats://a"}}},
	}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	rows := rowsOf(page, func(line string) bool { return strings.Contains(line, "` | `"+envPrefix) })
	for i, s := range settings {
		begin := fmt.Sprintf("| `%s` | `%s` |", s.key, s.env())
		if i >= len(rows) || !strings.HasPrefix(rows[i], begin) {
			t.Errorf("row %d does not begin %q", i+1, begin)
			continue
		}
		if want := documented(s.field(&c)); want != "" && !strings.HasSuffix(s.key, ".url") && s.key != "tls.acme.storage" && s.key != "tracing.endpoint" && !strings.Contains(rows[i], "| `"+want+"` |") {
			t.Errorf("%s: the default is %s, not what the page says: %s", s.key, want, rows[i])
		}
		if s.rule.sections == nil {
			continue
		}
		_, below, found := strings.Cut(page, "\n| in `"+s.key+"` | default | meaning |\n")
		if !found {
			t.Errorf("there is no table of what is in %s", s.key)
			continue
		}
		below, _, _ = strings.Cut(below, "\n\n")
		inner := rowsOf(below, func(string) bool { return true })
		for i, s := range s.rule.sections {
			if begin := fmt.Sprintf("| `%s` |", s.key); i >= len(inner) || !strings.HasPrefix(inner[i], begin) {
				t.Errorf("row %d of the table does not begin %q", i+1, begin)
			}
		}
		if len(inner) != len(s.rule.sections) {
			t.Errorf("%s: %d rows for %d settings", s.key, len(inner), len(s.rule.sections))
		}
	}
	if len(rows) != len(settings) {
		t.Errorf("%d rows for %d settings", len(rows), len(settings))
	}
}

func rowsOf(page string, isRow func(line string) bool) (rows []string) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| `") && isRow(line) {
			rows = append(rows, line)
		}
	}
	return rows
}

// documented is how the page writes a default, or nothing for "none", or where it
// depends.
func documented(field any) string {
	switch p := field.(type) {
	case *string:
		return *p
	case *int:
		return strconv.Itoa(*p)
	case **int:
		return strconv.Itoa(**p)
	case *bool:
		return strconv.FormatBool(*p)
	case **float64:
		return plain(**p)
	case *time.Duration:
		want := p.String()
		if strings.HasSuffix(want, "m0s") {
			want = strings.TrimSuffix(want, "0s")
		}
		return want
	}
	return ""
}

// The page lists what a reload takes over.
func TestConfigurationDocListsWhatCanChange(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## What can change while it runs\n")
	_, section, _ = strings.Cut(section, "stay open:\n")
	section, _, _ = strings.Cut(section, ".\n")
	var listed []string
	for i, part := range strings.Split(section, "`") {
		if i%2 == 1 {
			listed = append(listed, part)
		}
	}
	if !slices.Equal(listed, changeable) {
		t.Errorf("the page lists %v; a reload takes over %v", listed, changeable)
	}
}
