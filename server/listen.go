package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/server/handover"
	"github.com/godwit-io/godwit/server/systemd"
)

// unixPrefix begins a Config.Listen that is the path of a socket file.
const unixPrefix = "unix:"

// A client whose network has gone is noticed after ghostTimeout at most: it is asked
// whether it is there when it was silent for silenceMax.
const (
	ghostTimeout  = time.Minute
	silenceMax    = 30 * time.Second
	probeInterval = 10 * time.Second
)

var listenConfig = net.ListenConfig{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silenceMax, Interval: probeInterval, Count: int((ghostTimeout - silenceMax) / probeInterval)},
	Control:         controlSocket,
}

// listenEach binds addresses as in Config.Listen.
func (s *Server) listenEach(ctx context.Context, list []string) (listeners []net.Listener, err error) {
	for _, address := range list {
		var more []net.Listener
		name, isLent := strings.CutPrefix(address, systemdPrefix)
		taken := s.before.takeFor(ctx, address)
		switch {
		case taken != nil:
			more, err = s.listenTaken(taken)
		case isLent:
			more, err = s.listenInherited(name)
		default:
			more, err = listenOn(ctx, s.config, address)
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(listeners))
		}
		if taken == nil {
			s.note(address, isLent, more)
		}
		listeners = append(listeners, more...)
	}
	return listeners, nil
}

// note notes what listeners were bound for, and returns them.
func (s *Server) note(address string, isLent bool, listeners []net.Listener) []net.Listener {
	for _, ln := range listeners {
		s.bindings = append(s.bindings, handover.Socket{Listener: ln, Spec: address, IsLent: isLent})
	}
	return listeners
}

// listenTaken has the sockets of the process before this one.
func (s *Server) listenTaken(taken []handover.Socket) ([]net.Listener, error) {
	listeners := s.noteTaken(taken)
	for _, ln := range listeners {
		if err := checkReach(s.config, ln.Addr()); err != nil {
			return nil, errors.Join(err, closeAll(listeners))
		}
	}
	return listeners, nil
}

func (s *Server) noteTaken(taken []handover.Socket) (listeners []net.Listener) {
	for _, b := range taken {
		s.bindings = append(s.bindings, b)
		listeners = append(listeners, b.Listener)
	}
	return listeners
}

// inherited are the sockets of this process. Each can be had once.
var inherited = sync.OnceValues(func() (*systemd.Sockets, error) { return systemd.Inherited(os.Getenv, os.Getpid()) })

// listenInherited takes the inherited sockets of a name, those that are left for "".
func (s *Server) listenInherited(name string) ([]net.Listener, error) {
	sockets, err := s.inherited()
	if err != nil {
		return nil, fmt.Errorf("cannot use inherited sockets: %w", err)
	}
	listeners, err := sockets.Listeners(name)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s%s: %w", systemdPrefix, name, err)
	}
	for _, ln := range listeners {
		if err := checkReach(s.config, ln.Addr()); err != nil {
			return nil, errors.Join(err, closeAll(listeners))
		}
		tune(ln)
	}
	return listeners, nil
}

// tune sets what listenConfig sets for sockets of our own; connections inherit it.
func tune(ln net.Listener) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		_ = controlSocket("tcp", "", raw) // without it a client whose network has gone is noticed later
	}
}

// listenOn binds one address: a listener for each address of a name. It is resolved
// once, and what is decided about an address is decided about the one that is bound.
func listenOn(ctx context.Context, c Config, address string) ([]net.Listener, error) {
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		ln, err := listenUnix(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s: %w", address, explainUnix(err))
		}
		return []net.Listener{ln}, nil
	}
	addrs, err := resolve(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %s", address, strings.TrimPrefix(err.Error(), "lookup "))
	}
	for _, addr := range addrs {
		if err := checkReach(c, addr); err != nil {
			return nil, err
		}
	}
	listeners, err := listenTCP(ctx, addrs)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, explainTCP(err))
	}
	return listeners, nil
}

// resolve returns the addresses that listen means, at least one, without doubles.
func resolve(ctx context.Context, listen string) ([]*net.TCPAddr, error) {
	host, service, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		return nil, err
	}
	var ips []netip.Addr
	switch ip, err := netip.ParseAddr(host); {
	case host == "":
		return []*net.TCPAddr{{Port: port}}, nil
	case err == nil:
		ips = []netip.Addr{ip}
	case strings.EqualFold(strings.TrimSuffix(host, "."), "localhost"):
		// RFC 6761 §6.3: no resolver decides about it. Clients try both families,
		// and what answers at one must not be another program at the other.
		ips = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	default:
		if ips, err = net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
			return nil, err
		}
	}
	var addrs []*net.TCPAddr
	seen := make(map[netip.Addr]bool)
	for _, ip := range ips {
		if ip = ip.Unmap(); !seen[ip] {
			seen[ip] = true
			addrs = append(addrs, net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port))))
		}
	}
	return addrs, nil
}

// freePortTries bounds the search for a port that is free at several addresses.
const freePortTries = 20

// listenTCP listens at each address, at the same port. Of several, it leaves out
// those that the machine does not have, such as ::1 where there is no IPv6.
func listenTCP(ctx context.Context, addrs []*net.TCPAddr) (listeners []net.Listener, err error) {
	for range freePortTries {
		listeners, err = listenOnce(ctx, addrs)
		if err == nil || addrs[0].Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return listeners, err
}

func listenOnce(ctx context.Context, addrs []*net.TCPAddr) ([]net.Listener, error) {
	var listeners []net.Listener
	var absent error
	for _, addr := range addrs {
		at := *addr
		if at.Port == 0 && len(listeners) > 0 {
			at.Port = listeners[0].Addr().(*net.TCPAddr).Port
		}
		ln, err := listenConfig.Listen(ctx, family(&at), at.String())
		switch {
		case err == nil:
			listeners = append(listeners, ln)
		case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
			absent = err
		default:
			return nil, errors.Join(err, closeAll(listeners))
		}
	}
	if len(listeners) == 0 {
		return nil, absent
	}
	return listeners, nil
}

// family is the network of addr. With "tcp", Go would listen on 0.0.0.0 and on
// [::] for both families; only an address without a host is meant so.
func family(addr *net.TCPAddr) string {
	switch {
	case addr.IP == nil:
		return "tcp"
	case addr.IP.To4() != nil:
		return "tcp4"
	}
	return "tcp6"
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, ln := range listeners {
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}

// listenUnix listens on a socket file. It replaces the file of a server that has
// ended without removing it, and no other.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	ln, err := listenConfig.Listen(ctx, "unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	if info, e := os.Lstat(path); e != nil || info.Mode().Type() != fs.ModeSocket {
		return nil, errors.New("there is a file of that name, which is no socket; remove it, or choose another with --listen")
	}
	conn, e := new(net.Dialer).DialContext(ctx, "unix", path)
	if e == nil {
		_ = conn.Close()
		return nil, err
	}
	if !errors.Is(e, syscall.ECONNREFUSED) {
		return nil, err // somebody may be there: it is busy, or not for us
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return listenConfig.Listen(ctx, "unix", path)
}

// explainTCP adds to an error what would be right.
func explainTCP(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return explained{"address already in use; stop the program that uses it, or choose another with --listen", err}
	case errors.Is(err, syscall.EACCES):
		return explained{"permission denied; ports below 1024 need privileges, choose another with --listen", err}
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		return explained{"this machine has no such address; choose another with --listen", err}
	}
	return err
}

func explainUnix(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return explained{"a server is there already; stop it, or choose another path with --listen", err}
	case errors.Is(err, fs.ErrPermission):
		return explained{"permission denied; choose a directory that this user may write to", err}
	case errors.Is(err, fs.ErrNotExist):
		return explained{"there is no such directory", err}
	case errors.Is(err, syscall.EINVAL):
		return explained{"the path cannot be that of a socket; on most systems, 100 bytes are the most", err}
	}
	return err
}

// explained is an error in other words.
type explained struct {
	text string
	err  error
}

func (e explained) Error() string { return e.text }
func (e explained) Unwrap() error { return e.err }

// checkReach refuses an address that other machines can reach where nobody has to
// authenticate, unless the operator insists.
func checkReach(c Config, addr net.Addr) error {
	if c.Insecure || c.IsProtected() || isLocal(addr) {
		return nil
	}
	return fmt.Errorf("refusing to listen on %s: other machines can reach it, and everyone who does could read and publish on every channel;"+
		" configure tokens, keys or anonymous, listen on loopback (%s), or insist with --insecure", addr, DefaultListen)
}

// isLocal reports whether only programs of this machine can reach addr.
func isLocal(addr net.Addr) bool {
	_, isUnix := addr.(*net.UnixAddr)
	return isUnix || isLoopback(addr)
}

// isLoopback reports whether addr is one of loopback's. An unspecified address
// (":8000", 0.0.0.0, [::]) is every address of the machine.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// addressesAre reports whether there are listeners, and is holds for the address of each.
func addressesAre(is func(net.Addr) bool, listeners []net.Listener) bool {
	for _, ln := range listeners {
		if !is(ln.Addr()) {
			return false
		}
	}
	return len(listeners) > 0
}

// addresses lists the addresses of listeners for people.
func addresses(listeners []net.Listener) string {
	var texts []string
	for _, ln := range listeners {
		text := ln.Addr().String()
		if ln.Addr().Network() == "unix" {
			text = unixPrefix + text
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ")
}
