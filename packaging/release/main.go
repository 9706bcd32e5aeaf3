package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// platforms are those that releases are made for.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

func main() {
	out := flag.String("out", "dist", "`DIR` for what is made; what is in it is removed")
	list := flag.String("platforms", strings.Join(platforms, ","), "`OS/ARCH,…` to build for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, strings.Split(*list, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run makes a release of the module in the current directory.
func run(ctx context.Context, out string, list []string) error {
	root, err := text(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	epoch, err := sourceDate(ctx, root)
	if err != nil {
		return err
	}
	for _, platform := range list {
		if goos, goarch, ok := strings.Cut(platform, "/"); !ok || goos == "" || goarch == "" {
			return fmt.Errorf("%q is no platform; write one such as linux/amd64", platform)
		}
	}
	if err := clear(out); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	for _, platform := range list {
		if err := release(ctx, root, out, scratch, platform, epoch); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return writeSums(out)
}

// clear makes out an empty directory. What is not of a release is not removed.
func clear(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "godwit_") && e.Name() != sumsFile {
			return fmt.Errorf("%s has %s in it, which is not of a release; name an empty directory", out, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(out, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sourceDate is the time of everything in a release.
func sourceDate(ctx context.Context, root string) (time.Time, error) {
	given := os.Getenv("SOURCE_DATE_EPOCH")
	if given == "" {
		var err error
		if given, err = text(ctx, "git", "-C", root, "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, fmt.Errorf("the time of the source is not known, set SOURCE_DATE_EPOCH: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(given, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH is %q; write seconds since 1970", given)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// release makes the files of one platform.
func release(ctx context.Context, root, out, scratch, platform string, epoch time.Time) error {
	goos, goarch, _ := strings.Cut(platform, "/")
	program := "godwit"
	if goos == "windows" {
		program += ".exe"
	}
	binary := filepath.Join(scratch, goos+"-"+goarch, program)
	if err := build(ctx, root, binary, goos, goarch); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("godwit_%s_%s_%s", version(info), goos, goarch)
	licences, err := licences(ctx, root, info)
	if err != nil {
		return err
	}
	files := []file{{name: program, from: binary, isProgram: true}, {name: "THIRD-PARTY-LICENCES.txt", content: licences}}
	for _, own := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		files = append(files, file{name: own, from: filepath.Join(root, own)})
	}
	archive := writeTar
	extension := ".tar.gz"
	switch goos {
	case "windows":
		archive, extension = writeZip, ".zip"
	case "linux":
		for _, unit := range []string{"godwit.service", "godwit.socket"} {
			files = append(files, file{name: unit, from: filepath.Join(root, "packaging", unit)})
		}
	}
	if err := archive(filepath.Join(out, name+extension), name, files, epoch); err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	sbom, err := bill(info, sha256.Sum256(content), epoch)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, name+".cdx.json"), sbom, 0o644); err != nil {
		return err
	}
	fmt.Println(name)
	return nil
}

// version is that of the module as the Go command stamps it, "devel" outside of a
// repository.
func version(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return strings.ReplaceAll(v, "/", "-")
	}
	return "devel"
}

// build builds the program. What the environment says about how is left out, so that it
// is the same everywhere; the module cache and the proxy are the machine's.
func build(ctx context.Context, root, to, goos, goarch string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", to, "./cmd/godwit")
	cmd.Dir = root
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains([]string{"GOFLAGS", "GOEXPERIMENT", "GOFIPS140", "GODEBUG", "GOWORK"}, name)
	}), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off", "GOWORK=off",
		"GOFLAGS=-mod=readonly -buildvcs=auto") // what is empty would be taken from go env
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, output)
	}
	return nil
}

// licences are the texts that have to come with the modules in a program, and with the
// standard library.
func licences(ctx context.Context, root string, info *debug.BuildInfo) ([]byte, error) {
	goroot, err := text(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	dirs := [][2]string{{"The Go standard library and runtime, " + info.GoVersion, goroot}}
	for _, m := range info.Deps {
		dir, err := text(ctx, "go", "-C", root, "list", "-m", "-f", "{{.Dir}}", m.Path)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, [2]string{m.Path + " " + m.Version, dir})
	}
	var b strings.Builder
	for _, d := range dirs {
		entries, err := os.ReadDir(d[1])
		if err != nil {
			return nil, err
		}
		found := false
		for _, e := range entries { // sorted by name
			upper := strings.ToUpper(e.Name())
			isLicence := strings.HasPrefix(upper, "LICENSE") || strings.HasPrefix(upper, "LICENCE") || strings.HasPrefix(upper, "COPYING")
			if e.IsDir() || !isLicence && !strings.HasPrefix(upper, "NOTICE") {
				continue
			}
			content, err := os.ReadFile(filepath.Join(d[1], e.Name()))
			if err != nil {
				return nil, err
			}
			found = found || isLicence
			fmt.Fprintf(&b, "=== %s: %s\n\n%s\n\n", d[0], e.Name(), strings.TrimSpace(string(content)))
		}
		if !found {
			return nil, fmt.Errorf("%s has no licence; it must not be given to others", d[0])
		}
	}
	return []byte(b.String()), nil
}

const sumsFile = "SHA256SUMS"

// writeSums writes what sha256sum -c reads.
func writeSums(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&b, "%s  %s\n", hex.EncodeToString(sum[:]), e.Name())
	}
	return os.WriteFile(filepath.Join(out, sumsFile), []byte(b.String()), 0o644)
}

// text is what a command prints.
func text(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var errOut strings.Builder
	cmd.Stderr = &errOut
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %s", strings.Join(cmd.Args, " "), cmp.Or(strings.TrimSpace(errOut.String()), err.Error()))
	}
	return strings.TrimSpace(string(output)), nil
}
