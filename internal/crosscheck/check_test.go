package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// module is whole on Linux alone, and has an int that needs 64 bits.
var module = map[string]string{
	"go.mod":            "module example.com/m\n\ngo 1.26\n",
	"m.go":              "package m\n\nimport \"example.com/m/deep\"\n\nvar Long int = deep.Big\n",
	"only_linux.go":     "package m\n\nfunc Only() {}\n",
	"m_test.go":         "package m\n\nimport \"testing\"\n\nfunc TestInside(t *testing.T) { Only() }\n",
	"outside_test.go":   "package m_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m\"\n)\n\nfunc TestOutside(t *testing.T) { m.Only(); m.Helper() }\n",
	"export_test.go":    "package m\n\nfunc Helper() {}\n",
	"deep/deep.go":      "package deep\n\nconst Big = 1 << 40\n",
	"deep/windows.go":   "//go:build windows\n\npackage deep\n\nimport \"os\"\n\nfunc half() { return 1 }\n",
	"testdata/other.go": "package other\n\nthis is not read\n",
}

func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Each platform is told what is wrong there: in files of its own, in tests in the package and
// outside, and of the size of an int.
func TestCheck(t *testing.T) {
	dir := write(t, module)
	platforms := []string{"linux/amd64", "linux/386", "darwin/arm64", "windows/amd64"}
	if testing.Short() {
		platforms = platforms[:2] // each has a standard library of its own
	}
	faults, err := checkAll(t.Context(), dir, platforms)
	if err != nil {
		t.Fatal(err)
	}
	for i, fault := range faults {
		faults[i] = strings.ReplaceAll(strings.ReplaceAll(fault, dir+string(filepath.Separator), ""), string(filepath.Separator), "/")
	}
	slices.Sort(faults)
	want := []string{
		"darwin/arm64: m_test.go:5:33: undefined: Only",
		"darwin/arm64: outside_test.go:9:36: undefined: m.Only",
		"linux/386: m.go:5:16: cannot use deep.Big (untyped int constant 1099511627776) as int value in variable declaration (overflows)",
		"windows/amd64: deep/windows.go:5:8: \"os\" imported and not used",
		"windows/amd64: deep/windows.go:7:22: too many return values\n\thave (number)\n\twant ()",
		"windows/amd64: m_test.go:5:33: undefined: Only",
		"windows/amd64: outside_test.go:9:36: undefined: m.Only",
	}
	want = slices.DeleteFunc(want, func(fault string) bool {
		platform, _, _ := strings.Cut(fault, ":")
		return !slices.Contains(platforms, platform)
	})
	if !slices.Equal(faults, want) {
		t.Errorf("it says\n%s\nwant\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
}

// A package that the go command cannot list is a fault, or an error.
func TestCheckFails(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.26\n",
		"a.go":   "package a\n\nimport _ \"example.com/m/missing\"\n",
		"b/b.go": "package b\n\nfunc (\n",
	})
	faults, err := checkAll(t.Context(), dir, []string{"linux/amd64"})
	all := strings.Join(faults, "\n")
	if err != nil || !strings.Contains(all, "example.com/m/missing") || !strings.Contains(all, "b.go:3") {
		t.Errorf("of a package that is missing and of one that cannot be parsed it says %v\n%s", err, all)
	}
	for _, platform := range []string{"linux", "linux/abacus", "abacus/amd64"} {
		if faults, err := checkAll(t.Context(), dir, []string{platform}); err == nil {
			t.Errorf("for %s it says %q", platform, faults)
		}
	}
}
