package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Print writes the configuration as YAML, which can be loaded again, with where each
// value comes from as comments. Secrets that were written down are left out of it.
// A setting that is not set, and has no value by default, is not there.
func (e *Examination) Print(w io.Writer) error {
	p := printer{sources: e.sources}
	p.rows(settings, &e.Config, "", "")
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	sources map[string]string
	out     bytes.Buffer
}

// rows prints the settings of owner. The first line begins where the last one left
// off; those after it with indent.
func (p *printer) rows(rows []setting, owner any, path, indent string) {
	var open []string // the sections that the last line was in
	begin := ""
	for _, s := range rows {
		field := s.field(owner)
		key := join(path, s.key)
		source, isSet := p.sources[key]
		if !isSet && reflect.ValueOf(field).Elem().IsZero() {
			continue
		}
		names := strings.Split(s.key, ".")
		last := len(names) - 1
		same := 0
		for same < last && same < len(open) && open[same] == names[same] {
			same++
		}
		for i := same; i < last; i++ {
			p.out.WriteString(begin + strings.Repeat("  ", i) + names[i] + ":\n")
			begin = indent
		}
		open = names[:last]
		p.setting(s, field, key, source, begin+strings.Repeat("  ", last)+names[last]+":", indent+strings.Repeat("  ", last))
		begin = indent
	}
}

func (p *printer) setting(s setting, field any, key, source, begin, indent string) {
	if source == "" {
		source = "default"
	}
	list := reflect.ValueOf(field).Elem()
	if s.kind(field) != kindSections || list.Len() == 0 {
		if hasLiteral(field) {
			source += ", a secret that is not shown"
		}
		fmt.Fprintf(&p.out, "%s %s # %s\n", begin, written(s, field), source)
		return
	}
	fmt.Fprintf(&p.out, "%s # %s\n", begin, source)
	for i, item := range items(field) {
		p.out.WriteString(indent + "  - ")
		before := p.out.Len()
		p.rows(s.rule.sections, item, fmt.Sprintf("%s[%d]", key, i), indent+"    ")
		if p.out.Len() == before {
			p.out.WriteString("{}\n")
		}
	}
}

func hasLiteral(field any) bool {
	switch f := field.(type) {
	case *Secret:
		return f.IsLiteral()
	case *[]Secret:
		for _, s := range *f {
			if s.IsLiteral() {
				return true
			}
		}
	}
	return false
}

// written is a value as it stands in a file, on one line, or "none".
func written(s setting, field any) string {
	switch s.kind(field) {
	case kindSections:
		return "[]"
	case kindGrants:
		return writtenGrants(field)
	case kindList:
		all := items(field)
		if len(all) == 0 && reflect.ValueOf(field).Elem().IsNil() {
			return "none"
		}
		words := make([]string, len(all))
		for i, item := range all {
			words[i] = writtenScalar(item)
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	return writtenScalar(field)
}

func writtenGrants(field any) string {
	grants, ok := field.(*access.Grants)
	if !ok {
		grants = *field.(**access.Grants)
	}
	if grants == nil {
		return "none"
	}
	var parts []string
	for _, a := range access.Actions() {
		patterns := grants.Patterns(a)
		if len(patterns) > 0 {
			parts = append(parts, a.String()+": "+written(setting{}, &patterns))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func writtenScalar(field any) string {
	switch p := field.(type) {
	case *string:
		return quoteYAML(*p)
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	case *float64:
		if *p == 0 {
			return "none"
		}
		return plain(*p)
	case *time.Duration:
		return writtenDuration(*p)
	case *Joins:
		return p.String()
	case *Secret:
		return quoteYAML(p.String())
	case *netip.Prefix:
		return quoteYAML(p.String())
	case *access.Pattern:
		return quoteYAML(p.String())
	case *access.Action:
		return p.String()
	case **bool:
		return pointed(*p)
	case **int:
		return pointed(*p)
	case **float64:
		if *p != nil {
			return plain(**p)
		}
		return "none"
	}
	panic(fmt.Sprintf("server: no way to write a setting of type %T", field))
}

func pointed[T any](p *T) string {
	if p == nil {
		return "none"
	}
	return writtenScalar(p)
}

// writtenDuration is d without units that are nothing: 24h and not 24h0m0s.
func writtenDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// plainYAML is what means itself without quotes, everywhere in YAML.
var plainYAML = regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`)

func quoteYAML(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
	default:
		if plainYAML.MatchString(s) {
			return s
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer do not fail
	return strings.TrimSpace(b.String())
}
