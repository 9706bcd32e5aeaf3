//go:build linux

package standstill

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"syscall"
	"testing"
)

// A paused process does nothing more, and goes on where it was.
func TestPause(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if stands(pid) {
		t.Error("it was not paused, and stands still")
	}
	answers := bufio.NewReader(out)
	echo := func() {
		t.Helper()
		if _, err := io.WriteString(in, "said\n"); err != nil {
			t.Fatal(err)
		}
		if answer, err := answers.ReadString('\n'); err != nil || answer != "said\n" {
			t.Fatalf("%q, %v", answer, err)
		}
	}
	echo()
	if err := Pause(pid); err != nil {
		t.Fatal(err)
	}
	if !stands(pid) {
		t.Error("it was paused, and runs")
	}
	if err := Resume(pid); err != nil {
		t.Fatal(err)
	}
	echo()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, nobody := range []int{pid, 0, -1} {
		if err := Pause(nobody); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("Pause of %d: %v", nobody, err)
		}
		if err := Resume(nobody); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("Resume of %d: %v", nobody, err)
		}
	}
}
