package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	unitFile   = "godwit.service"
	socketFile = "godwit.socket"
)

// settings are those of a unit, by section.name, in order.
func settings(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]string)
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			name, value, ok := strings.Cut(line, "=")
			if !ok {
				t.Fatalf("%s: %q is no setting", file, line)
			}
			all[section+"."+name] = append(all[section+"."+name], value)
		}
	}
	return all
}

func TestUnit(t *testing.T) {
	all := settings(t, unitFile)
	for name, want := range map[string]string{
		"Service.Type": "notify", "Service.DynamicUser": "yes", "Service.NoNewPrivileges": "yes", "Service.ProtectSystem": "strict",
		"Service.ExecReload": "/bin/kill -HUP $MAINPID", "Service.LimitNOFILE": "1048576", "Service.RestartPreventExitStatus": "2",
		"Service.CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "Service.MemoryDenyWriteExecute": "yes", "Install.WantedBy": "multi-user.target",
	} {
		if got := strings.Join(all[name], " "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	// Without these /proc has no net/core/somaxconn, and the backlog would be 128.
	if len(all["Service.ProcSubset"]) > 0 {
		t.Error("ProcSubset hides what the server reads of /proc")
	}
	stop, err := time.ParseDuration(all["Service.TimeoutStopSec"][0])
	if drain := drainTimeout(t); err != nil || stop < 2*drain {
		t.Errorf("it is killed after %v, %v; draining takes %v", stop, err, drain)
	}
}

// drainTimeout is the default of drain_timeout, as documented; a test of package server
// holds the document to it.
func drainTimeout(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?m)^\\| `drain_timeout` .*?\\| `([0-9a-z]+)` \\|").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/configuration.md has no default of drain_timeout")
	}
	d, err := time.ParseDuration(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// systemd itself understands the units, with a program in the place of ours.
func TestUnitIsUnderstood(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" && hasSystemd() {
			t.Fatal("systemd-analyze is not installed, and GODWIT_REQUIRE_ALL is set")
		}
		t.Skip("systemd-analyze is not installed")
	}
	stand, err := exec.LookPath("true")
	if err != nil {
		t.Skip("there is no program to put in the place of ours")
	}
	dir := t.TempDir()
	var files []string
	for _, name := range []string{unitFile, socketFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, name)
		text = []byte(strings.ReplaceAll(string(text), "/usr/local/bin/godwit", stand))
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	verify := exec.CommandContext(t.Context(), program, append([]string{"verify", "--man=no"}, files...)...)
	output, err := verify.CombinedOutput()
	if err != nil || strings.Contains(string(output), "godwit") { // what it says of other units is not for us
		t.Errorf("%v: %s", err, output)
	}
}

// hasSystemd reports whether this machine was started by systemd.
func hasSystemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}
