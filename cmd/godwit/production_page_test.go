//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The page about production is followed as a reader would, by one shell in a directory
// that stands for the root of a machine. What needs root or the internet is another's:
// systemctl is unit below, the authority is one of our own, and the name leads here.

// page are the fenced blocks of docs/production.md, in order.
type page struct{ blocks []block }

type block struct{ language, text string }

func readProduction(t *testing.T) *page {
	t.Helper()
	text, err := os.ReadFile("../../docs/production.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &page{}
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 {
			language, text, _ := strings.Cut(part, "\n")
			p.blocks = append(p.blocks, block{language, text})
		}
	}
	return p
}

// with returns the only block of a language that has text in it.
func (p *page) with(t *testing.T, language, text string) string {
	t.Helper()
	var found []string
	for _, b := range p.blocks {
		if b.language == language && strings.Contains(b.text, text) {
			found = append(found, b.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks of %s have %q, want one", len(found), language, text)
	}
	return found[0]
}

// machine is what the page has before it: a root, a shell, and systemd.
type machine struct {
	root  string // stands for /
	ports *strings.Replacer
	tls   int // the port that stands for 443
	shell *exec.Cmd
	in    io.Writer
	out   *transcript
	runs  int
}

// needs skips the test where a program is missing.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
				t.Fatal(program + " is not installed, and GODWIT_REQUIRE_ALL is set")
			}
			t.Skip(program + " is not installed")
		}
	}
}

// freePort is a port that nothing listens at.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{root: t.TempDir(), tls: freePort(t)}
	adminPort, plain := freePort(t), freePort(t)
	m.ports = strings.NewReplacer(
		// On loopback, where the server of the page does not listen, it answers only to names in the list.
		"origins: [https://example.com] ", "origins: [https://example.com, https://live.example.com] ",
		"/etc/systemd/system/", m.root+"/etc/systemd/system/", "/etc/godwit", m.root+"/etc/godwit",
		"/usr/local/bin/", m.root+"/usr/local/bin/", "/var/lib/godwit", m.root+"/var/lib/godwit", "/run/godwit", m.root+"/run/godwit",
		"127.0.0.1:8001", "127.0.0.1:"+strconv.Itoa(adminPort), "127.0.0.1:8000", "127.0.0.1:"+strconv.Itoa(plain),
		`":443"`, "127.0.0.1:"+strconv.Itoa(m.tls), "listen 443", "listen 127.0.0.1:"+strconv.Itoa(m.tls))
	for _, dir := range []string{"etc/systemd/system", "etc/godwit", "usr/local/bin", "var/lib/godwit", "run/godwit", "root", "elsewhere", "bin"} {
		if err := os.MkdirAll(filepath.Join(m.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write(t, "root/.curlrc", fmt.Sprintf("connect-to = \"live.example.com:443:127.0.0.1:%d\"\ncacert = %q\nmax-time = 20\n", m.tls, m.root+"/etc/godwit/cert.pem"))
	m.fakes(t)
	m.shell = exec.CommandContext(t.Context(), "sh", "-e")
	m.shell.Dir = m.root + "/root"
	m.shell.Env = append(os.Environ(), "HOME="+m.root+"/root", "PATH="+m.root+"/bin:"+m.root+"/usr/local/bin:"+os.Getenv("PATH"))
	in, err := m.shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	m.in, m.out = in, &transcript{more: make(chan struct{})}
	m.shell.Stdout, m.shell.Stderr = writer, writer
	if err := m.shell.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	var read sync.WaitGroup
	read.Go(func() { m.out.read(reader) })
	t.Cleanup(func() {
		in.Close()
		_ = m.shell.Wait()
		read.Wait()
		reader.Close()
	})
	return m
}

func (m *machine) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.root, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fakes puts programs in the place of those that need root or the internet. What comes
// from elsewhere has the shape that packaging/release gives it.
func (m *machine) fakes(t *testing.T) {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	packaging, err := filepath.Abs("../../packaging")
	if err != nil {
		t.Fatal(err)
	}
	control := m.systemd(t)
	const name = "godwit_v1.2.3_linux_amd64"
	for program, text := range map[string]string{
		"apt-get": ":",
		"git":     `[ "$*" = "clone https://github.com/godwit-io/godwit" ] && mkdir godwit`,
		"make": `[ "$*" = release ] && mkdir -p dist/` + name + ` && cd dist
cp ` + packaging + `/godwit.service ` + packaging + `/godwit.socket ` + name + `
printf '#!/bin/sh\n` + asProgram + `=1 exec ` + self + ` "$@"\n' > ` + name + `/godwit
tar czf ` + name + `.tar.gz ` + name,
		"scp":        `[ "$2" = root@live.example.com: ] && cp "$1" ` + m.root + `/root`,
		"systemctl":  `curl -q -sS --fail-with-body --unix-socket ` + control + ` --data "$*" http://systemd/`,
		"journalctl": `[ "$1 $2 $3" = "-u godwit -n" ] && tail -n "$4" ` + m.root + `/journal`,
	} {
		path := filepath.Join(m.root, "bin", program)
		if err := os.WriteFile(path, []byte("#!/bin/sh -e\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// certify makes the certificate of an authority of our own.
func (m *machine) certify(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
		"-subj", "/CN=live.example.com", "-addext", "subjectAltName=DNS:live.example.com", "-keyout", "key.pem", "-out", "cert.pem")
	cmd.Dir = m.root + "/etc/godwit"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// run has the shell run text and returns what it printed.
func (m *machine) run(t *testing.T, text string) string {
	t.Helper()
	m.runs++
	name := fmt.Sprintf("step-%d", m.runs)
	m.write(t, name, m.ports.Replace(text))
	begin := len(m.printed())
	fmt.Fprintf(m.in, ". %s/%s </dev/null\necho; echo end of %s\n", m.root, name, name)
	all := m.out.contains(t, "\nend of "+name+"\n")
	return strings.TrimSuffix(all[begin:], "\nend of "+name+"\n")
}

func (m *machine) printed() string {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	return m.out.text.String()
}

// service is what systemd does with a unit of Type=notify.
type service struct {
	root    string
	states  *net.UnixConn
	mu      sync.Mutex
	cmd     *exec.Cmd // nil: it does not run
	main    int       // the process that is the service, as it has said; 0: that of cmd
	isReady bool
}

// systemd serves systemctl at the socket that it returns, until the test ends.
func (m *machine) systemd(t *testing.T) string {
	t.Helper()
	states, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.root + "/notify", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", m.root+"/systemctl")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{root: m.root, states: states}
	web := &http.Server{Handler: s, ReadHeaderTimeout: patience}
	var served sync.WaitGroup
	served.Go(func() { _ = web.Serve(ln) })
	t.Cleanup(func() {
		_ = web.Close()
		served.Wait()
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		states.Close()
	})
	return m.root + "/systemctl"
}

// ServeHTTP does what systemctl was told.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	words, err := io.ReadAll(r.Body)
	if err == nil {
		switch string(words) {
		case "daemon-reload":
		case "enable --now godwit":
			err = s.start()
		case "reload godwit":
			err = s.reload()
		case "restart godwit":
			if err = s.stop(); err == nil {
				err = s.start()
			}
		default:
			err = fmt.Errorf("systemctl %s is not known to the test", words)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// setting is one of the unit that was installed.
func (s *service) setting(name string) (string, error) {
	text, err := os.ReadFile(s.root + "/etc/systemd/system/godwit.service")
	if err != nil {
		return "", err
	}
	found := regexp.MustCompile(`(?m)^` + name + `=-?(.*)$`).FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("the unit has no %s", name)
	}
	return string(found[1]), nil
}

func (s *service) start() error {
	line, err := s.setting("ExecStart")
	if err != nil {
		return err
	}
	file, err := s.setting("EnvironmentFile")
	if err != nil {
		return err
	}
	environment, err := os.ReadFile(s.root + file)
	if err != nil {
		return err
	}
	journal, err := os.OpenFile(s.root+"/journal", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer journal.Close()
	words := strings.Fields(strings.ReplaceAll(line, "/etc/", s.root+"/etc/"))
	s.cmd = exec.Command(s.root+words[0], words[1:]...)
	s.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+s.root+"/notify")
	s.cmd.Env = append(s.cmd.Env, strings.Fields(string(environment))...)
	s.cmd.Stdout, s.cmd.Stderr = journal, journal
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	return s.ready()
}

// ready waits until the service says that it is.
func (s *service) ready() error {
	b := make([]byte, 4096)
	if err := s.states.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for {
		n, err := s.states.Read(b)
		if err != nil {
			log, _ := os.ReadFile(s.root + "/journal")
			return fmt.Errorf("it does not say that it is ready: %w\n%s", err, log)
		}
		s.follow(string(b[:n]))
		if strings.Contains(string(b[:n]), "READY=1") {
			return nil
		}
	}
}

// follow notes which process the service says that it is.
func (s *service) follow(said string) {
	if _, text, is := strings.Cut(said, "MAINPID="); is {
		text, _, _ = strings.Cut(text, "\n")
		s.main, _ = strconv.Atoi(text)
	}
}

// catchUp reads what the service has said since.
func (s *service) catchUp() {
	b := make([]byte, 4096)
	for {
		_ = s.states.SetReadDeadline(time.Now().Add(time.Millisecond)) // or nothing is read
		n, err := s.states.Read(b)
		if err != nil {
			return
		}
		s.follow(string(b[:n]))
	}
}

// hasEnded reports whether a process that is nobody's child here has ended.
func hasEnded(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(state, "Z")
}

// reload runs ExecReload.
func (s *service) reload() error {
	line, err := s.setting("ExecReload")
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", line)
	cmd.Env = append(os.Environ(), "MAINPID="+strconv.Itoa(s.cmd.Process.Pid))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return s.ready()
}

// stop ends the service, if it runs, and tells whether it ended well.
func (s *service) stop() error {
	if s.cmd == nil {
		return nil
	}
	s.catchUp()
	cmd, main := s.cmd, s.main
	s.cmd, s.main = nil, 0
	kill, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer context.AfterFunc(kill, func() { _ = cmd.Process.Kill() })()
	if main == 0 {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		return cmd.Wait()
	}
	if err := syscall.Kill(main, syscall.SIGTERM); err != nil {
		return err
	}
	for !hasEnded(main) {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-kill.Done():
			_ = syscall.Kill(main, syscall.SIGKILL)
			return fmt.Errorf("process %d does not end", main)
		}
	}
	return cmd.Wait() // it has ended when its clients had moved over
}
