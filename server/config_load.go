package server

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"
)

// Override is one setting from a command line.
type Override struct {
	Key    string // as in the file, for example history.count
	Value  string // lists are separated by commas or spaces
	Source string // what the user wrote, for example --history-count
}

// Load returns the Config made from, each over the one before: the defaults, the
// YAML or JSON file at path (none when path is empty), the GODWIT_* variables of
// environ (entries as in os.Environ; an empty value counts as not set), and
// overrides.
//
// A setting that is unknown or has a wrong value is an error, usually a
// *SettingError, whose text says where it is and what would be right. The result
// has been checked and its defaults are filled in. Paths in the file are relative to
// it. Secrets are not looked up: see Secret.Resolve.
func Load(path string, environ []string, overrides []Override) (Config, error) {
	l := load(path, environ, overrides)
	if len(l.errs) > 0 {
		return Config{}, l.errs[0]
	}
	l.config.sources = l.sources
	return l.config, nil
}

// located adds to a *SettingError of c where the setting was set, if Load knows.
func (c *Config) located(err error) error {
	if se, ok := errors.AsType[*SettingError](err); ok && se.Source == "" && c.sources != nil {
		l := loader{sources: c.sources}
		se.Source = l.sourceOf(se.Key)
	}
	return err
}

// loader lays settings over each other and remembers where each came from.
type loader struct {
	config  Config
	sources map[string]string // by key; also of sections in lists: channels[2]
	errs    []error
}

func newLoader() *loader { return &loader{sources: make(map[string]string)} }

// errorsMax bounds the errors of one configuration.
const errorsMax = 100

// failed notes that something cannot be used.
func (l *loader) failed(err error) {
	var se *SettingError
	if errors.As(err, &se) { // what it quotes of a file can have line ends
		se.Key, se.Text = onOneLine(se.Key), onOneLine(se.Text)
	}
	if len(l.errs) < errorsMax {
		l.errs = append(l.errs, err)
	}
}

func onOneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// load goes on after an error, to find the others.
func load(path string, environ []string, overrides []Override) *loader {
	l := newLoader()
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			// The error of ReadFile names the path: "open x: no such file …".
			l.failed(fmt.Errorf("cannot read the configuration: %w", err))
			return l
		}
		l.file(path, b)
	}
	l.environ(environ)
	for _, o := range overrides {
		l.set(o.Key, o.Value, o.Source)
	}
	l.finish()
	return l
}

// finish fills in defaults and checks what was loaded. What was not understood in
// a section may be what another error says is missing there, so that one is left
// out.
func (l *loader) finish() {
	var broken []string
	for _, err := range l.errs {
		var se *SettingError
		if errors.As(err, &se) {
			for key := se.Key; key != ""; key, _, _ = cutLast(key) {
				broken = append(broken, key)
			}
		}
	}
	l.config = l.config.normalized(func(key, text string) {
		section, _, _ := cutLast(key)
		if slices.Contains(broken, key) || slices.Contains(broken, section) {
			return
		}
		l.failed(&SettingError{Key: key, Source: l.sourceOf(key), Text: text})
	})
}

// sourceOf is where key was set, or what it is part of, or empty.
func (l *loader) sourceOf(key string) string {
	for key != "" {
		if source, ok := l.sources[key]; ok {
			return source
		}
		// hooks.publish is where a part of it is.
		for _, below := range slices.Sorted(maps.Keys(l.sources)) {
			if strings.HasPrefix(below, key+".") {
				return l.sources[below]
			}
		}
		section, _, found := cutLast(key)
		if i := strings.LastIndexByte(key, '['); i > len(section) {
			section, found = key[:i], true
		}
		if key = section; !found {
			break
		}
	}
	return ""
}

// forget forgets where what is below key came from: it is replaced.
func (l *loader) forget(key string) {
	maps.DeleteFunc(l.sources, func(k, _ string) bool {
		return strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[")
	})
}

// set applies the text of one setting.
func (l *loader) set(key, value, source string) {
	s, ok := settingIn(settings, key)
	if !ok {
		l.failed(&SettingError{Key: key, Source: source, Text: "there is no such setting"})
		return
	}
	switch s.kind(s.field(&l.config)) {
	case kindSections, kindGrants:
		w := l.walk(source)
		for _, body := range w.parse([]byte(value)) {
			w.setting(s, place{rows: settings, owner: &l.config}, body)
		}
		return
	}
	l.forget(key)
	l.sources[key] = source
	if err := s.setText(&l.config, value); err != nil {
		l.failed(&SettingError{Key: key, Source: source, Text: err.Error()})
	}
}

// environ applies the variables that belong to settings. Others with the prefix
// are left alone (Kubernetes sets GODWIT_PORT for a service of that name), unless
// they look like a setting misspelt, which would otherwise have no effect and
// tell nobody.
//
// The variable of a section, such as GODWIT_HOOKS, has it as JSON. Those of its
// settings go over it.
func (l *loader) environ(environ []string) {
	var names []string
	for _, s := range settings {
		names = append(names, s.env())
	}
	all := sectionsOf(settings)
	for _, section := range all {
		names = append(names, envName(section))
	}
	var strange []string
	// The first error is always the same, and sections come before their settings.
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		i := slices.Index(names, name)
		switch {
		case i < 0:
			if !isOfOthers(name, value) {
				strange = append(strange, name)
			}
		case value == "": // what compose files and unit files make of a variable that is not there
		case i < len(settings):
			l.set(settings[i].key, value, name)
		default:
			w := l.walk(name)
			for _, body := range w.parse([]byte(value)) {
				w.section(place{rows: settings, owner: &l.config, section: all[i-len(settings)]}, body)
			}
		}
	}
	secrets := secretsIn(settings, &l.config, "")
	for _, name := range strange {
		if slices.ContainsFunc(secrets, func(s namedSecret) bool { return s.secret.text == "env:"+name }) {
			continue
		}
		if near := nearest(name, names); near != "" {
			l.failed(&SettingError{Source: name, Text: "there is no such setting; did you mean " + near + "?"})
		}
	}
}

// isOfOthers reports whether a variable is known to be none of a setting: the ones
// of commands that are clients, and those that Kubernetes makes of a service's name.
func isOfOthers(name, value string) bool {
	switch name {
	case envPrefix + "TOKEN", envPrefix + "KEY": // unless they have what belongs into TOKENS and KEYS
		return !strings.HasPrefix(strings.TrimSpace(value), "[")
	}
	return strings.HasSuffix(name, "_PORT") || strings.HasSuffix(name, "_SERVICE_HOST")
}

// namedSecret is a secret of a configuration, and where it is.
type namedSecret struct {
	key    string
	secret Secret
}

// secretsIn lists those of owner that are set.
func secretsIn(rows []setting, owner any, prefix string) (found []namedSecret) {
	for _, s := range rows {
		field := s.field(owner)
		key := join(prefix, s.key)
		switch f := field.(type) {
		case *Secret:
			if !f.IsZero() {
				found = append(found, namedSecret{key, *f})
			}
		case *[]Secret:
			for i, secret := range *f {
				if !secret.IsZero() { // else it has failed
					found = append(found, namedSecret{fmt.Sprintf("%s[%d]", key, i), secret})
				}
			}
		}
		if s.kind(field) == kindSections {
			for i, item := range items(field) {
				found = append(found, secretsIn(s.rule.sections, item, fmt.Sprintf("%s[%d]", key, i))...)
			}
		}
	}
	return found
}

// sectionsOf lists the sections in rows: hooks, hooks.connect.
func sectionsOf(rows []setting) (sections []string) {
	for _, s := range rows {
		for section, _, found := cutLast(s.key); found; section, _, found = cutLast(section) {
			if !slices.Contains(sections, section) {
				sections = append(sections, section)
			}
		}
	}
	return sections
}

// nearest returns the word that name is probably a misspelling of, or nothing.
func nearest(name string, words []string) string {
	distance := func(w string) int { return editDistance(name, w) }
	best := slices.MinFunc(words, func(a, b string) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(best) > 2 || distance(best) >= len(name) {
		return ""
	}
	return best
}

// editDistance counts the single-byte insertions, deletions and replacements
// between a and b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
