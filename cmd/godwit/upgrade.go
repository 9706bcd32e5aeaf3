package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"github.com/godwit-io/godwit/server"
)

// program is the file of this program, as it was called: after an upgrade of the file,
// or of what a link leads to, it is the new one. The working directory may change later.
var program = func() string {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return os.Args[0] // starting it says what is wrong
	}
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}()

// upgradeOnSignal has another process take the place of s whenever the signal for that
// comes. stop ends that.
func upgradeOnSignal(ctx context.Context, s *server.Server) (stop func()) {
	signals, stopped := make(chan os.Signal, 1), make(chan struct{})
	notifyUpgrade(signals)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
				s.UpgradeFrom(ctx, server.Program{Path: program, Args: os.Args[1:]})
			case <-stopped:
				return
			}
		}
	})
	return func() {
		close(stopped)
		waiting.Wait()
	}
}

const (
	// upgradeTimeout is how long a server may take to be replaced: longer than it allows
	// itself.
	upgradeTimeout = 3 * time.Minute

	upgradeInterval = 50 * time.Millisecond // of looking at the file of its process ID
)

// isWrittenAnew reports whether a file was replaced. A file that was replaced twice may have the
// place on the disk that the first one had.
func isWrittenAnew(before, now os.FileInfo) bool {
	return !os.SameFile(before, now) || !before.ModTime().Equal(now.ModTime())
}

// requestUpgrade tells the server that runs with c to be replaced by a new process, and
// waits until it is.
func requestUpgrade(ctx context.Context, out io.Writer, c server.Config) error {
	if c.PIDFile == "" {
		return errors.New("--upgrade finds the server by the file of its process ID: set pid_file in the configuration, or send SIGUSR2 to its process yourself")
	}
	pid, before, err := server.StatPIDFile(c.PIDFile)
	if err != nil {
		return fmt.Errorf("cannot find the server: %w", err)
	}
	if err := signalUpgrade(pid); err != nil {
		return fmt.Errorf("cannot tell process %d to upgrade: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	ticker := time.NewTicker(upgradeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d has not said what became of it; its log does", pid)
		}
		next, now, err := server.StatPIDFile(c.PIDFile)
		if err != nil {
			continue // it may be replaced just now
		}
		if next != pid {
			_, err := fmt.Fprintf(out, "upgraded: process %d serves, and process %d ends when its clients have moved over\n", next, pid)
			return err
		}
		if isWrittenAnew(before, now) {
			return fmt.Errorf("process %d was not replaced and goes on as before; its log says why", pid)
		}
	}
}
