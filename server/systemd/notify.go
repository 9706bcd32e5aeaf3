package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The states that a service tells of.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
)

// MainPID is the state that another process is the service now.
func MainPID(pid int) string { return "MAINPID=" + strconv.Itoa(pid) }

// Notify tells the manager at socket, the value of NOTIFY_SOCKET, of states, and returns
// an error if it could not. An empty socket is no manager.
func Notify(socket string, states ...string) error {
	if socket == "" {
		return nil
	}
	if socket[0] == '@' {
		socket = "\x00" + socket[1:] // an abstract one
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("cannot tell systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("cannot tell systemd: %w", err)
	}
	return nil
}
