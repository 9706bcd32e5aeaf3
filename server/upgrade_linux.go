package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/server/handover"
	"github.com/godwit-io/godwit/server/systemd"
)

// handoverVariable tells a process which descriptor leads to the one whose place it is to
// take. It is no setting.
const handoverVariable = "_GODWIT_HANDOVER"

// handoverDescriptor is the first that is inherited beside the standard ones.
const handoverDescriptor = 3

// Upgrade starts a program that takes the place of this one, and hands over to it: see
// HandOver. It gets the environment of this process, and its standard output and error. An
// error says why it was not upgraded, and the server goes on as before; ErrNotServing and
// ErrUpgrading are among them.
func (s *Server) Upgrade(ctx context.Context, p Program) error {
	if os.Getpid() == 1 {
		return errors.New("server: process 1 cannot be replaced: when it ends, so does its container; start another container instead")
	}
	if s.handedOver.Load() != nil || !s.isServing() {
		return ErrNotServing
	}
	conn, there, err := handover.Pair()
	if err != nil {
		return err
	}
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env = append(withoutHandover(os.Environ()), handoverVariable+"="+strconv.Itoa(handoverDescriptor))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{there}
	s.log.Info("upgrading", "program", p.Path)
	err = cmd.Start()
	_ = there.Close() // the other process has it, or nobody
	if err != nil {
		return errors.Join(fmt.Errorf("server: the new program cannot be started: %w", err), conn.Close())
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log says how it has ended
		close(ended)
	}()
	err = s.HandOver(ctx, conn, func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-ended
	})
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	s.tellManager(systemd.MainPID(cmd.Process.Pid))
	return nil
}

func withoutHandover(environ []string) (clean []string) {
	for _, e := range environ {
		if !strings.HasPrefix(e, handoverVariable+"=") {
			clean = append(clean, e)
		}
	}
	return clean
}

// Predecessor returns the connection to the process whose place this one is to take, for
// TakeOver, or nil if it was started like any other. It is there once.
func Predecessor() (*net.UnixConn, error) {
	text, is := os.LookupEnv(handoverVariable)
	if !is {
		return nil, nil
	}
	if err := os.Unsetenv(handoverVariable); err != nil {
		return nil, err
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < handoverDescriptor {
		return nil, fmt.Errorf("server: %s is %q, and no descriptor", handoverVariable, text)
	}
	f := os.NewFile(uintptr(fd), "handover")
	defer f.Close()
	return handover.FromFile(f)
}
