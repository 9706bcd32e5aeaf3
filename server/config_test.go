package server

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
)

// The cases of testdata/config/*.txt: what a file, the environment and flags say,
// and what comes of it, which is every setting that is not as by default, or the
// error.
//
//	== title
//	file:
//	  listen: ":9000"
//	env:
//	  GODWIT_DEMO=false
//	flags:
//	  --log-level log.level=debug
//	----
//	result
func TestConfig(t *testing.T) {
	forCases(t, "testdata/config/*.txt", func(c testCase) string {
		config, err := Load(c.path, c.environ, c.overrides)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %v", err)
			}
			return "error: " + err.Error() + "\n"
		}
		return settingsOf(t, config, false)
	})
}

// testCase is what one case gives to Load, and what else is in it.
type testCase struct {
	text      string // of the file
	path      string
	environ   []string
	overrides []Override
	sections  map[string][]string
	result    string // the golden one
}

// forCases compares what run makes of each case of some files with what they say.
func forCases(t *testing.T, glob string, run func(c testCase) string) {
	t.Helper()
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if path, err = filepath.Abs(path); err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir()) // errors name the file as it was given
			var out strings.Builder
			for _, c := range strings.Split(string(text), "== ")[1:] {
				input, result, _ := strings.Cut(c, "----\n")
				out.WriteString("== " + input + "----\n" + run(parseCase(t, input, result)) + "\n")
			}
			golden.Compare(t, path, out.String())
		})
	}
}

func parseCase(t *testing.T, input, result string) testCase {
	t.Helper()
	c := testCase{sections: make(map[string][]string), result: result}
	section := ""
	for _, line := range strings.Split(input, "\n")[1:] {
		if text, ok := strings.CutPrefix(line, "  "); ok {
			c.sections[section] = append(c.sections[section], text)
		} else if section, ok = strings.CutSuffix(line, ":"); ok {
			c.sections[section] = nil
		} else if line != "" {
			t.Fatalf("what is %q?", line)
		}
	}
	if lines, ok := c.sections["file"]; ok {
		c.path, c.text = "godwit.yaml", strings.Join(lines, "\n")+"\n"
		if err := os.WriteFile(c.path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.environ = c.sections["env"]
	for _, line := range c.sections["flags"] {
		source, rest, _ := strings.Cut(line, " ")
		key, value, _ := strings.Cut(rest, "=")
		c.overrides = append(c.overrides, Override{Key: key, Value: value, Source: source})
	}
	return c
}

// settingsOf lists the settings of c; unless all, those that are not as by default.
func settingsOf(t *testing.T, c Config, all bool) string {
	t.Helper()
	defaults, err := Config{}.normalize()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, s := range settings {
		field := s.field(&c)
		value, by := reflect.ValueOf(field).Elem(), reflect.ValueOf(s.field(&defaults)).Elem()
		if all || !reflect.DeepEqual(value.Interface(), by.Interface()) {
			describeSetting(&out, s.key, s, field)
		}
	}
	if out.Len() == 0 {
		return "as by default\n"
	}
	return out.String()
}

func describeSetting(out *strings.Builder, key string, s setting, field any) {
	value := reflect.ValueOf(field).Elem()
	for value.Kind() == reflect.Pointer && !value.IsNil() {
		value = value.Elem()
	}
	if s.kind(field) != kindSections || value.Len() == 0 {
		fmt.Fprintf(out, "%s = %v\n", key, value)
		return
	}
	for i, item := range items(field) {
		for _, below := range s.rule.sections {
			if f := below.field(item); !reflect.ValueOf(f).Elem().IsZero() {
				describeSetting(out, fmt.Sprintf("%s[%d].%s", key, i, below.key), below, f)
			}
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := Load("", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/defaults.txt", settingsOf(t, c, true))
}

// Every field of a Config, and of what is listed there, is a setting, or documented
// as none.
func TestEverySettingHasAKey(t *testing.T) {
	t.Run("Config", func(t *testing.T) { everyFieldHasAKey(t, settings, new(Config)) })
	for _, s := range settings {
		if s.rule.sections != nil {
			item := reflect.New(reflect.TypeOf(s.field(new(Config))).Elem().Elem())
			t.Run(s.key, func(t *testing.T) { everyFieldHasAKey(t, s.rule.sections, item.Interface()) })
		}
	}
}

func everyFieldHasAKey(t *testing.T, rows []setting, owner any) {
	fields := 0
	var count func(reflect.Type)
	count = func(typ reflect.Type) {
		for f := range typ.Fields() {
			isSection := f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == typ.PkgPath() && f.Type != reflect.TypeFor[Secret]()
			if isSection {
				count(f.Type)
			} else if f.Name != "Logger" && f.Name != "Gallery" && f.IsExported() {
				fields++
			}
		}
	}
	count(reflect.TypeOf(owner).Elem())
	if fields != len(rows) {
		t.Errorf("%T has %d fields and %d settings", owner, fields, len(rows))
	}
	seen := make(map[any]string)
	for _, s := range rows {
		if other, ok := seen[s.field(owner)]; ok {
			t.Errorf("%s and %s are one field", s.key, other)
		}
		seen[s.field(owner)] = s.key
		if s.meaning == "" || strings.HasSuffix(s.meaning, ".") {
			t.Errorf("%s: the meaning is %q", s.key, s.meaning)
		}
	}
}

// Limits that a Config sets by hand are checked like those of a file.
func TestNewChecks(t *testing.T) {
	for _, c := range []Config{
		{Limits: Limits{PublicationBytes: -1}},
		{History: History{Count: new(-1)}},
		{Heartbeat: -1},
		{Listen: []string{"nowhere"}},
		{Origins: []string{"https://a.example/path"}},
		{Limits: Limits{PublicationBytes: 1 << 20, QueueBytes: 1 << 10}},
		{Log: Log{Level: "loud"}},
		{Limits: Limits{SessionsPerSecond: -1}},
		{Limits: Limits{SessionsPerSecond: 100}, Reconnect: Reconnect{SessionsPerSecond: 101}},
		{Reconnect: Reconnect{WindowMin: time.Minute, WindowMax: time.Second}},
	} {
		s, err := New(c)
		if err == nil {
			_ = s.Close()
			t.Errorf("%+v is accepted", c)
			continue
		}
		if _, ok := err.(*SettingError); !ok {
			t.Errorf("%+v: %T %v", c, err, err)
		}
	}
}

func TestConfigFileTooLong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	for size, ok := range map[int]bool{configFileBytesMax: true, configFileBytesMax + 1: false} {
		if err := os.WriteFile(path, []byte("#"+strings.Repeat("x", size-1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, nil, nil); (err == nil) != ok {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestConfigFileWithByteOrderMark(t *testing.T) {
	l := newLoader()
	l.file("f", []byte("\ufeffheartbeat: 2s\n"))
	if len(l.errs) > 0 || l.config.Heartbeat != 2*time.Second {
		t.Errorf("%v, %v", l.errs, l.config.Heartbeat)
	}
}

// Whatever a file holds: an error of one line, or settings that pass their checks.
func FuzzConfigFile(f *testing.F) {
	for _, seed := range []string{
		"", "# nothing\n", "listen: 127.0.0.1:9000\norigins:\n  - https://a.example\n", "history: {count: 0, age: 1h}\n",
		"a: &a {b: *a}\n", "history: &h\n  age: 1h\nlimits: *h\n", "{\n\t\"log\": {\"level\": \"debug\"}\n}", "heartbeat: 10\n",
		"log:\n", "- list\n", "listen: [a]\n", "history: *x\n", "? a\n: b\n", "<<: {listen: x}\n", "listen: !!str x\n", "\"\": \n", "origins: [*a]\n",
		"1: 2\n", "demo: |\n  true\n", "tokens: [{secret: env:A, algorithms: [HS256]}, {jwks: 'file:a.json'}]\n", "anonymous:\n", "anonymous: {subscribe: ['**'], read: [a]}\n",
		"channels:\n  - &a {match: a, rates: {session: .5}, allow: [publish]}\n  - *a\n", "keys: [{name: a, hash: 'sha256:00', grants: {}}]\n",
		"hooks: {connect: {url: 'http://a', forward: [\"Cookie\"]}, secrets: ['file:\\x00']}\n", "trusted_proxies: [10.0.0.0/8, '::1']\nproxy_protocol: true\n",
		"tls: {acme: {domains: [a.b], storage: x}}\ntracing: {endpoint: 'http://a', sample: 1e-7}\n", "$schema: a\n", "a: b: c\n", "\xff\xfe", "limits: {connections: 99999999999999999999}\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := newLoader()
		l.file("f", []byte(text))
		isValid := len(l.errs) == 0
		l.finish()
		for _, err := range l.errs {
			if strings.ContainsAny(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if len(l.errs) == 0 && !hasLiteralSecret(&l.config) {
			isPrintedAsItIs(t, &Examination{Config: l.config, sources: l.sources})
		}
		if isValid { // each value is, so only what is said of several can be wrong
			checkAll(settings, &l.config, "", func(key, wrong string) {
				t.Fatalf("%q passes the file and not the check: %s: %s", text, key, wrong)
			})
		}
	})
}

// Whatever a variable holds: an error of one line, or a setting that passes its checks
// and is the same when it was printed.
func FuzzEnvironment(f *testing.F) {
	for i, s := range settings {
		for _, value := range []string{"", "true", "5", "0.5", "10s", "a", "a/**", "127.0.0.1:80, [::1]:80", "https://a.example/", "env:A", "10.0.0.0/8 ::1", "a b", "\xd5:0"} {
			if s.kind(s.field(new(Config))) < kindGrants {
				f.Add(uint8(i), value)
			}
		}
	}
	for _, value := range []string{`[{"secret":"env:A"}]`, `[{"match":"a","rates":{"session":1}}]`, `{"publish":["a"]}`, "{}", "[]", "{", "[{", "null", "a: b", "---\n---\n- a"} {
		for i, s := range settings {
			if s.kind(s.field(new(Config))) >= kindGrants {
				f.Add(uint8(i), value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		s := settings[int(which)%len(settings)]
		l := newLoader()
		l.environ([]string{s.env() + "=" + value})
		isValid := len(l.errs) == 0
		l.finish()
		for _, err := range l.errs {
			if strings.Contains(err.Error(), "\n") || !isValid && !strings.HasPrefix(err.Error(), s.env()) {
				t.Fatalf("%s=%q: %v", s.env(), value, err)
			}
		}
		if isValid {
			checkAll(settings, &l.config, "", func(key, wrong string) { t.Fatalf("%s=%q passes: %s: %s", s.env(), value, key, wrong) })
		}
		if len(l.errs) == 0 && !hasLiteralSecret(&l.config) {
			isPrintedAsItIs(t, &Examination{Config: l.config, sources: l.sources})
		}
	})
}

func TestNearest(t *testing.T) {
	words := []string{"listen", "log", "limits"}
	for name, want := range map[string]string{
		"listn": "listen", "lisetn": "listen", "Listen": "listen", "limit": "limits", "history": "", "": "", "x": "", "lg": "log", "listening": "",
	} {
		if got := nearest(name, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", name, got, want)
		}
	}
}
