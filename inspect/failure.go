package inspect

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// stage is how far an attempt came.
type stage uint8

const (
	atProxy stage = iota // connecting to it and asking it
	atDNS
	atTCP
	atTLS
	atResponse
	answered
)

// failureKind sorts errors of the network.
type failureKind uint8

const (
	otherwise failureKind = iota
	refused
	timedOut
	unreachable
	reset
	ended
)

const refusedText = "connection refused"

// winsock are the errors of Windows' sockets, which package syscall does not name
// as it does those of other systems.
var winsock = map[syscall.Errno]failureKind{
	10049: unreachable, 10051: unreachable, 10065: unreachable,
	10053: reset, 10054: reset, 10058: reset,
	10060: timedOut, 10061: refused,
}

func errorKind(err error) failureKind {
	var timeout net.Error
	var errno syscall.Errno
	if runtime.GOOS == "windows" && errors.As(err, &errno) && winsock[errno] != otherwise {
		return winsock[errno]
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return unreachable
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return ended
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return timedOut
	}
	return otherwise
}

// explainError says in a few words what went wrong, fit to print.
func explainError(err error) string {
	switch errorKind(err) {
	case refused:
		return refusedText
	case timedOut:
		return "no answer in time"
	case reset:
		return "the connection was reset"
	case ended:
		return "the connection was closed"
	case unreachable:
		return "no route there"
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	return printable(strings.TrimPrefix(err.Error(), "tls: "), 2*quotedBytesMax)
}
