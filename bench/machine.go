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
	"strings"
	"time"
)

// describe writes what the figures depend on.
func (l *lab) describe(w io.Writer, rounds int) error {
	var b strings.Builder
	version, _ := exec.Command(l.godwit, "version").Output()
	fmt.Fprintf(&b, "Measured on %s with %s.\n\n", time.Now().UTC().Format("2 January 2006"), strings.TrimSpace(string(version)))
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
	pinned := "server and generator pinned to a processor each with taskset, GOMAXPROCS=1"
	if l.taskset == "" {
		pinned = "not pinned, as there is no taskset or only one processor; GOMAXPROCS=1"
	}
	fmt.Fprintf(&b, "- Runs: %d rounds of %d s in turn, %s; medians, ratios within a round with the lowest and highest\n", rounds, l.seconds, pinned)
	fmt.Fprintf(&b, "- Command: `go run . %s`\n\n", strings.Join(os.Args[1:], " "))
	_, err := io.WriteString(w, b.String())
	return err
}

func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func processor() string { return field("/proc/cpuinfo", "model name", runtime.GOARCH) }

func memoryTotal() string { return field("/proc/meminfo", "MemTotal", "memory not known") }

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
