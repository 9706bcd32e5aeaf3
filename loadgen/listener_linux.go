package loadgen

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// forwarders listen for a server that is elsewhere, and do not stand for it.
var forwarders = []string{"docker-proxy", "rootlessport", "ssh", "sshd"}

// listenersOf finds the processes of this machine that listen at the address in
// a URL, as far as this one may see. It finds nothing rather than something else.
func listenersOf(target string) []int {
	u, err := url.Parse(target)
	if err != nil {
		return nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case err == nil:
	case u.Scheme == "ws" || u.Scheme == "http":
		port = 80
	default:
		port = 443
	}
	addresses := addressesOf(target)
	var sockets []string
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, err := os.ReadFile(name)
		if err == nil {
			sockets = append(sockets, parseListeners(table, addresses, uint16(port))...)
		}
	}
	if len(sockets) == 0 {
		return nil
	}
	var pids []int
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		at, err := os.Readlink(file)
		if err != nil || !slices.Contains(sockets, at) {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
		if pid == os.Getpid() || slices.Contains(forwarders, processName(pid)) {
			return nil
		}
		if pid != 1 && !slices.Contains(pids, pid) { // 1 listens for others
			pids = append(pids, pid)
		}
	}
	return pids
}

// processName is empty if there is no such process.
func processName(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// parseListeners finds the sockets in a table of /proc/net that listen at port
// on one of the addresses, or on all. They are named as in /proc/PID/fd.
//
//	sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//	 0: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 …
func parseListeners(table []byte, addresses []net.IP, port uint16) (sockets []string) {
	const listening = "0A"
	for line := range bytes.Lines(table) {
		fields := strings.Fields(string(line))
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		host, at, _ := strings.Cut(fields[1], ":")
		ip, err := hex.DecodeString(host)
		if n, bad := strconv.ParseUint(at, 16, 16); err != nil || bad != nil || uint16(n) != port || len(ip) != net.IPv4len && len(ip) != net.IPv6len {
			continue
		}
		for i := 0; i < len(ip); i += 4 { // words in the order of the machine
			binary.BigEndian.PutUint32(ip[i:], binary.NativeEndian.Uint32(ip[i:]))
		}
		if net.IP(ip).IsUnspecified() || slices.ContainsFunc(addresses, net.IP(ip).Equal) {
			sockets = append(sockets, "socket:["+fields[9]+"]")
		}
	}
	return sockets
}
