package server

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
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
// has been checked and its defaults are filled in.
func Load(path string, environ []string, overrides []Override) (Config, error) {
	l := loader{sources: make(map[string]string)}
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			// The error of ReadFile names the path: "open x: no such file …".
			return Config{}, fmt.Errorf("cannot read the configuration: %w", err)
		}
		if err := l.file(path, b); err != nil {
			return Config{}, err
		}
	}
	if err := l.environ(environ); err != nil {
		return Config{}, err
	}
	for _, o := range overrides {
		if err := l.set(o.Key, o.Value, o.Source); err != nil {
			return Config{}, err
		}
	}
	c, err := l.config.normalize()
	var se *SettingError
	if errors.As(err, &se) {
		se.Source = l.sources[se.Key]
	}
	return c, err
}

// loader lays settings over each other and remembers where each came from.
type loader struct {
	config  Config
	sources map[string]string // by key
}

func (l *loader) set(key, value, source string) error {
	s, ok := settingOf(key)
	if !ok {
		return &SettingError{Key: key, Source: source, Text: "there is no such setting"}
	}
	if err := s.set(&l.config, value); err != nil {
		return &SettingError{Key: key, Source: source, Text: err.Error()}
	}
	l.sources[key] = source
	return nil
}

// environ applies the variables that belong to settings. Others with the prefix
// are left alone (Kubernetes sets GODWIT_PORT for a service of that name), unless
// they look like a setting misspelt, which would otherwise have no effect and
// tell nobody.
func (l *loader) environ(environ []string) error {
	environ = slices.Sorted(slices.Values(environ)) // the first error is always the same
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.env() == name })
		if i >= 0 {
			if value == "" {
				continue // what compose files and unit files make of a variable that is not there
			}
			if err := l.set(settings[i].key, value, name); err != nil {
				return err
			}
			continue
		}
		names := make([]string, len(settings))
		for i, s := range settings {
			names[i] = s.env()
		}
		if near := nearest(name, names); near != "" {
			return &SettingError{Source: name, Text: "there is no such setting; did you mean " + near + "?"}
		}
	}
	return nil
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
