//go:build !linux

package server

import (
	"context"
	"errors"
	"net"
)

// Upgrade would start a program that takes the place of this one. On this system it says
// that it cannot.
func (s *Server) Upgrade(context.Context, Program) error {
	return errors.New("server: only on Linux can another process take over while this one serves; stop this server and start the new one")
}

// Predecessor returns nil: no process takes the place of another on this system.
func Predecessor() (*net.UnixConn, error) { return nil, nil }
