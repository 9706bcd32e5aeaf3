package packaging

import (
	"debug/elf"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// instruction is a line of a Dockerfile.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) (all []instruction) {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			name, rest, _ := strings.Cut(line, " ")
			all = append(all, instruction{name, rest})
		}
	}
	return all
}

// What is copied exists, whoever runs it is nobody, and the Go image is as new as
// go.mod wants.
func TestDockerfile(t *testing.T) {
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	made := map[string]bool{"/etc/ssl/certs/ca-certificates.crt": true} // golang has it
	var copied []string
	last := make(map[string]string)
	for _, i := range dockerfile(t) {
		last[i.name] = i.rest
		switch i.name {
		case "FROM":
			if image := strings.Fields(strings.TrimPrefix(i.rest, "--platform=$BUILDPLATFORM "))[0]; image != "scratch" && image != "golang:"+string(wanted) {
				t.Errorf("the image is %s, and go.mod wants Go %s", image, wanted)
			}
		case "RUN":
			for _, output := range regexp.MustCompile(`/out/\w+`).FindAllString(i.rest, -1) {
				made[output] = true
			}
		case "COPY":
			words := strings.Fields(i.rest)
			isBuilt := false
			for strings.HasPrefix(words[0], "--") {
				isBuilt = isBuilt || words[0] == "--from=build"
				words = words[1:]
			}
			for _, source := range words[:len(words)-1] {
				if isBuilt {
					if !made[source] {
						t.Errorf("%s is copied, and nothing makes it", source)
					}
					copied = append(copied, words[len(words)-1])
				} else if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(source))); err != nil {
					t.Errorf("%s is copied: %v", source, err)
				}
			}
		}
	}
	if last["FROM"] != "scratch" || last["USER"] == "" || strings.HasPrefix(last["USER"], "0") || !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(last["USER"]) {
		t.Errorf("it is from %s, for the user %q", last["FROM"], last["USER"])
	}
	for _, name := range []string{"ENTRYPOINT", "HEALTHCHECK"} {
		program := regexp.MustCompile(`\["([^"]+)"`).FindStringSubmatch(last[name])
		if program == nil || !strings.Contains(strings.Join(copied, " "), program[1]) {
			t.Errorf("%s %s does not run what is copied: %v", name, last[name], copied)
		}
	}
}

// The build command of the Dockerfile makes a program that needs nothing else, and that
// program has the command for its health.
func TestDockerfileBuilds(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program, which is slow")
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell to run the command of the Dockerfile")
	}
	out := filepath.ToSlash(t.TempDir())
	built := false
	for _, i := range dockerfile(t) {
		if i.name != "RUN" || !strings.Contains(i.rest, "go build") {
			continue
		}
		built = true
		build := exec.CommandContext(t.Context(), sh, "-c", strings.ReplaceAll(i.rest, "/out/", out+"/"))
		build.Dir = ".."
		build.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH)
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", i.rest, err, output)
		}
	}
	if !built {
		t.Fatal("nothing is built")
	}
	program := path.Join(out, "godwit")
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it is not static: it has a %v", p.Type)
		}
	}
	if libraries, _ := file.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("it needs %v", libraries)
	}
	if runtime.GOOS != "linux" {
		return
	}
	check := exec.CommandContext(t.Context(), program, "healthcheck", "--url", "http://127.0.0.1:1/readyz", "--timeout", "2s")
	check.Env = []string{}
	output, err := check.CombinedOutput()
	if check.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "cannot reach") {
		t.Errorf("healthcheck without a server: %v %s", err, output)
	}
}
