package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Unix(1_700_000_000, 0).UTC()

// Both kinds of archive have what they were given, as of one time and for nobody, and are
// the same a second time.
func TestArchives(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	files := []file{{name: "godwit", from: source, isProgram: true}, {name: "LICENCE", content: []byte("text")}}
	for name, write := range map[string]func(string, string, []file, time.Time) error{"a.tar.gz": writeTar, "a.zip": writeZip} {
		var made [2][]byte
		for i := range made {
			to := filepath.Join(dir, fmt.Sprint(i, name))
			if err := write(to, "dir", files, epoch); err != nil {
				t.Fatal(err)
			}
			var err error
			if made[i], err = os.ReadFile(to); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(source, time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(made[0], made[1]) {
			t.Errorf("%s is another one a second time", name)
		}
		want := "dir/godwit -rwxr-xr-x program; dir/LICENCE -rw-r--r-- text; "
		if got := listing(t, name, made[0]); got != want {
			t.Errorf("in %s are %s, want %s", name, got, want)
		}
	}
}

func listing(t *testing.T, name string, archive []byte) (all string) {
	t.Helper()
	list := func(name string, mode os.FileMode, at time.Time, r io.Reader) {
		content, err := io.ReadAll(r)
		if err != nil || !at.Equal(epoch) {
			t.Errorf("%s: %v, of %v", name, err, at)
		}
		all += fmt.Sprintf("%s %v %s; ", name, mode, content)
	}
	if strings.HasSuffix(name, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			list(f.Name, f.Mode(), f.Modified, r)
		}
		return all
	}
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil || head.Uid != 0 || head.Gid != 0 || head.Uname != "" {
			t.Fatalf("%+v: %v", head, err)
		}
		list(head.Name, os.FileMode(head.Mode), head.ModTime, r)
	}
}

// The SBOM says what is in the program, and is read by others.
func TestBill(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "example.com/m", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "example.com/a", Version: "v0.1.0"},
			{Path: "example.com/b", Version: "v0.2.0", Replace: &debug.Module{Path: "example.com/c", Version: "v0.3.0"}},
		},
		Settings: []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "0"}},
	}
	hash := sha256.Sum256([]byte("program"))
	text, err := bill(info, hash, epoch)
	if err != nil {
		t.Fatal(err)
	}
	again, err := bill(info, hash, epoch)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("it is another one a second time: %v", err)
	}
	var b cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(text), cyclonedx.BOMFileFormatJSON).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.SpecVersion != cyclonedx.SpecVersion1_6 || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(b.SerialNumber) {
		t.Errorf("it is %v %s", b.SpecVersion, b.SerialNumber)
	}
	if b.Metadata.Timestamp != "2023-11-14T22:13:20Z" || b.Metadata.Component.PackageURL != "pkg:golang/example.com/m@v1.2.3" ||
		(*b.Metadata.Component.Hashes)[0].Value != hex.EncodeToString(hash[:]) {
		t.Errorf("it is of %+v", b.Metadata)
	}
	var urls []string
	for _, c := range *b.Components {
		urls = append(urls, c.PackageURL)
	}
	if got, want := strings.Join(urls, " "), "pkg:golang/std@1.26.8 pkg:golang/example.com/a@v0.1.0 pkg:golang/example.com/c@v0.3.0"; got != want {
		t.Errorf("the components are %s, want %s", got, want)
	}
	if got := strings.Join(*(*b.Dependencies)[0].Dependencies, " "); got != strings.Join(urls, " ") {
		t.Errorf("it needs %s", got)
	}
}

// What cannot be is refused before anything is built, and nothing of others is removed.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := run(t.Context(), dir, []string{"linux"}); err == nil || !strings.Contains(err.Error(), `"linux" is no platform`) {
		t.Error(err)
	}
	mine := filepath.Join(dir, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), dir, []string{"linux/amd64"}); err == nil || !strings.Contains(err.Error(), "has mine in it") {
		t.Error(err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "yesterday")
	if err := run(t.Context(), t.TempDir(), platforms); err == nil || !strings.Contains(err.Error(), "write seconds since 1970") {
		t.Error(err)
	}
}

// The work tree, as a repository in two directories, makes the same release. With
// GODWIT_REQUIRE_ALL, as in CI, the second has a build cache of its own, so that everything is
// compiled there and elsewhere; else what is compared is linked and packed twice.
func TestReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program twice, which is slow")
	}
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	goos, goarch := runtime.GOOS, runtime.GOARCH
	var made [2]map[string]string
	for i, place := range []string{"here", "a longer/way to there"} {
		dir := filepath.Join(t.TempDir(), place)
		clone(t, dir)
		cmd := exec.CommandContext(t.Context(), "go", "run", "./packaging/release", "-out", "out", "-platforms", goos+"/"+goarch)
		cmd.Dir = dir
		// Nothing of how somebody usually builds may matter.
		cmd.Env = append(os.Environ(), "GOWORK=off", "TZ="+[]string{"UTC", "Asia/Tokyo"}[i])
		if i == 1 && os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			cmd.Env = append(cmd.Env, "GOCACHE="+filepath.Join(t.TempDir(), "cache"))
		}
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		made[i] = sums(t, filepath.Join(dir, "out"))
	}
	if len(made[0]) != 3 {
		t.Errorf("made are %v", made[0])
	}
	stamped := regexp.MustCompile(`^(SHA256SUMS|godwit_v0\.0\.0-20231114221320-[0-9a-f]{12}_` + goos + "_" + goarch + `\.(tar\.gz|zip|cdx\.json))$`)
	for name, sum := range made[0] {
		if !stamped.MatchString(name) {
			t.Errorf("%s has not the name of this commit", name)
		}
		if made[1][name] != sum {
			t.Errorf("%s is %s in one place and %q in the other", name, sum, made[1][name])
		}
	}
}

// clone makes a repository of the work tree, with one commit that is always the same.
func clone(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("the source is in no repository: %v", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	at := epoch.Format(time.RFC3339)
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"commit", "-q", "--no-gpg-sign", "--no-verify", "-m", "release"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.example", "GIT_AUTHOR_DATE="+at,
			"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.example", "GIT_COMMITTER_DATE="+at, "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, output)
		}
	}
}

// sums are the checksums of the files of a release, which SHA256SUMS has to have, too.
func sums(t *testing.T, out string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	listed, err := os.ReadFile(filepath.Join(out, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		all[e.Name()] = hex.EncodeToString(sum[:])
		if line := all[e.Name()] + "  " + e.Name() + "\n"; e.Name() != sumsFile && !strings.Contains(string(listed), line) {
			t.Errorf("SHA256SUMS has no %s", line)
		}
	}
	return all
}
