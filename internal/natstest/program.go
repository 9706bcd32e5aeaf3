package natstest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// buildTimeout is how long the program may take to be downloaded and built.
const buildTimeout = 10 * time.Minute

var build struct {
	once    sync.Once
	program string
	err     error
}

// Program returns the path of nats-server, which it builds once. It may be called from
// several goroutines.
func Program() (string, error) {
	build.once.Do(func() { build.program, build.err = buildProgram() })
	return build.program, build.err
}

func buildProgram() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	root, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", "github.com/godwit-io/godwit")
	if err != nil {
		return "", err
	}
	// It builds a program that is not in the cache, and prints where that is.
	program, err := goCommand(ctx, filepath.Join(root, "internal", "natsserver"), "tool", "-n", "nats-server")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(program); err != nil {
		return "", err
	}
	return program, nil
}

func goCommand(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// What the test itself is built with is none of its business.
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(said.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Require returns Program, or skips the test with the reason.
func Require(t testing.TB) string {
	t.Helper()
	program, err := Program()
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatalf("nats-server cannot be built, and GODWIT_REQUIRE_ALL is set: %v", err)
		}
		t.Skipf("nats-server cannot be built: %v", err)
	}
	return program
}
