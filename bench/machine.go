package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// describe writes what the figures depend on.
func (l *lab) describe(w io.Writer, rounds int, seconds float64) error {
	var b strings.Builder
	version, _ := exec.Command(l.godwit, "version").Output()
	fmt.Fprintf(&b, "Measured on %s with %s%s.\n\n", time.Now().UTC().Format("2 January 2006"), strings.TrimSpace(string(version)), revision())
	fmt.Fprintf(&b, "- Machine: %s, %d processors, %s\n", processor(), runtime.NumCPU(), memoryTotal())
	fmt.Fprintf(&b, "- System: %s %s, %s\n", runtime.GOOS, strings.TrimSpace(read("/proc/sys/kernel/osrelease")), runtime.Version())
	if info, ok := debug.ReadBuildInfo(); ok {
		var libraries []string
		for _, d := range info.Deps {
			if slices.Contains([]string{"github.com/gorilla/websocket", "github.com/coder/websocket", "github.com/gobwas/ws", "github.com/lxzan/gws"}, d.Path) {
				libraries = append(libraries, d.Path+" "+d.Version)
			}
		}
		fmt.Fprintf(&b, "- Libraries: %s\n", strings.Join(libraries, ", "))
	}
	pinned := fmt.Sprintf("server on processor %s and generator on %s with taskset, GOMAXPROCS=1", l.serverCPU, l.generatorCPU)
	if l.taskset == "" {
		pinned = "not pinned, as there is no taskset or only one processor; GOMAXPROCS=1"
	}
	fmt.Fprintf(&b, "- Runs: %d rounds of %g s in turn, %s; medians, ratios within a round with the lowest and highest\n", rounds, seconds, pinned)
	fmt.Fprintf(&b, "- Command: `%s`\n\n", strings.TrimSpace("go run . "+strings.Join(os.Args[1:], " ")))
	_, err := io.WriteString(w, b.String())
	return err
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func processor() string { return field("/proc/cpuinfo", "model name", runtime.GOARCH) }

func memoryTotal() string {
	text := field("/proc/meminfo", "MemTotal", "memory not known")
	if kib, err := strconv.Atoi(strings.TrimSuffix(text, " kB")); err == nil {
		return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
	}
	return text
}

// revision is the commit of this checkout, if git knows it.
func revision() string {
	commit, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	text := ", commit " + strings.TrimSpace(string(commit))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		text += " with changes"
	}
	return text
}

// field is the value of the first line with a name, in files such as /proc has.
func field(path, name, otherwise string) string {
	lines := bufio.NewScanner(strings.NewReader(read(path)))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}
