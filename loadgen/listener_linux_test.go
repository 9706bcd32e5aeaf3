package loadgen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestParseListeners(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is that of a little-endian machine")
	}
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 00000000:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1 0 100 0 0 10 0
   2: 0100007F:2329 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 100 0 0 10 0
   3: 0200007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 14 1 0 100 0 0 10 0
   4: 0100007F:232A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 15 1 0 100 0 0 10 0
   5: 00000000000000000000000001000000:2329 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 16 1
   6: 0000000000000000FFFF00000100007F:2329 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 17 1
   7: 00000000000000000000000000000000:2329 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 18 1
   8: 01:2329 x:0000 0A 0 0 0 0 0 19
   9: 0100007F 00000000:0000 0A 0 0 0 0 0 20
`
	for _, c := range []struct {
		address string
		want    string
	}{{"127.0.0.1", "11 12 17 18"}, {"::1", "12 16 18"}, {"192.0.2.1", "12 18"}} {
		var want []string
		for n := range strings.FieldsSeq(c.want) {
			want = append(want, "socket:["+n+"]")
		}
		if got := parseListeners([]byte(table), []net.IP{net.ParseIP(c.address)}, 9001); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.address, got, want)
		}
	}
}

func FuzzParseListeners(f *testing.F) {
	f.Add([]byte("   0: 0100007F:2329 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0\n"))
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, name := range parseListeners(table, []net.IP{net.IPv4(127, 0, 0, 1)}, 9001) {
			if !strings.HasPrefix(name, "socket:[") || !bytes.Contains(bytes.ToUpper(table), []byte(":2329")) {
				t.Errorf("%q has %q", table, name)
			}
		}
	})
}

// Another process is found by where it listens; this one never is, as a server
// in it cannot be told from the generator.
func TestListenersOf(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf("ws://%s/", ln.Addr())
	if pids := listenersOf(target); pids != nil {
		t.Errorf("this process is %d, found %v", os.Getpid(), pids)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), "cat") // holds the socket, and waits for its input to end
	child.ExtraFiles = []*os.File{file}
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Skip("there is no cat: ", err)
	}
	_, _ = input.Write([]byte("x"))
	if _, err := io.ReadFull(output, make([]byte, 1)); err != nil { // now it is cat
		t.Fatal(err)
	}
	file.Close()
	ln.Close()
	if pids := listenersOf(target); !slices.Equal(pids, []int{child.Process.Pid}) || processName(pids[0]) != "cat" {
		t.Errorf("found %v, want %d", pids, child.Process.Pid)
	}
	_ = input.Close()
	_ = child.Wait()
	if pids := listenersOf(target); pids != nil {
		t.Errorf("found %v, and nobody listens", pids)
	}
}
