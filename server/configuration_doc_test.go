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
// default that is in force.
func TestConfigurationDoc(t *testing.T) {
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Config{}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	page, _, _ := strings.Cut(string(text), "\n## ") // other tables follow
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, line)
		}
	}
	for i, s := range settings {
		begin := fmt.Sprintf("| `%s` | `%s` |", s.key, s.env())
		if i >= len(rows) || !strings.HasPrefix(rows[i], begin) {
			t.Errorf("row %d does not begin %q", i+1, begin)
			continue
		}
		want := ""
		switch p := s.field(&c).(type) {
		case *string:
			want = *p
		case *int:
			want = strconv.Itoa(*p)
		case **int:
			want = strconv.Itoa(**p)
		case *bool:
			want = strconv.FormatBool(*p)
		case *time.Duration:
			want = p.String()
			if strings.HasSuffix(want, "m0s") {
				want = strings.TrimSuffix(want, "0s")
			}
		default:
			continue // "none", or it depends
		}
		if !strings.Contains(rows[i], "| `"+want+"` |") {
			t.Errorf("%s: the default is %s, not what the page says: %s", s.key, want, rows[i])
		}
	}
	if len(rows) != len(settings) {
		t.Errorf("%d rows for %d settings: %v", len(rows), len(settings), slices.Collect(strings.Lines(string(text))))
	}
}
