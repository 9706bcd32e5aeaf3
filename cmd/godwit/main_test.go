package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/golden"
)

// asProgram in the environment makes the test's own binary the program, for tests
// that need a process: to signal it, or to keep its standard input open.
const asProgram = "TEST_IS_GODWIT"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	for _, e := range os.Environ() { // no settings from outside
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "GODWIT_") {
			_ = os.Unsetenv(name)
		}
	}
	// Most of these tests wait for a process. The command line, which is read
	// later, has the last word.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come. It is long, because a
// machine may be slow, and costs nothing when the thing comes.
const patience = 30 * time.Second

// transcript is what a process has printed so far.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // closed and replaced when there is more
	done bool
}

func (o *transcript) read(r io.Reader) {
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		o.mu.Lock()
		o.text.Write(b[:n])
		o.done = err != nil
		close(o.more)
		o.more = make(chan struct{})
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// wait returns the text once found finds what it looks for in it.
func (o *transcript) wait(t *testing.T, what string, found func(text string) bool) string {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		o.mu.Lock()
		text, more, done := o.text.String(), o.more, o.done
		o.mu.Unlock()
		if found(text) {
			return text
		}
		if done {
			t.Fatalf("it ended without %s; it printed:\n%s", what, text)
		}
		select {
		case <-more:
		case <-timeout.C:
			t.Fatalf("%s did not come; it printed:\n%s", what, text)
		}
	}
}

func (o *transcript) contains(t *testing.T, want string) string {
	t.Helper()
	return o.wait(t, fmt.Sprintf("%q", want), func(text string) bool { return strings.Contains(text, want) })
}

// process is a running command.
type process struct {
	cmd         *exec.Cmd
	in          io.WriteCloser
	out, errOut *transcript
	ended       chan struct{}
}

// command is the program with args, as a process.
func command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return launchEnv(t, nil, args...)
}

func launchEnv(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return launchAs(t, os.Args[0], env, args...)
}

// launchAs is launchEnv of the program at another path.
func launchAs(t *testing.T, path string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: command(context.Background(), args...), ended: make(chan struct{})}
	p.cmd.Path, p.cmd.Args[0] = path, path
	p.cmd.Env = append(p.cmd.Env, env...)
	p.out, p.errOut = &transcript{more: make(chan struct{})}, &transcript{more: make(chan struct{})}
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errOut, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.out.read(out) })
	readers.Go(func() { p.errOut.read(errOut) })
	go func() {
		defer close(p.ended)
		readers.Wait()
		_ = p.cmd.Wait() // tests look at ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals to send")
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code, -1 for a signal.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("it does not end; it printed:\n%s\n%s", p.out.text.String(), p.errOut.text.String())
		return 0
	}
}

// result is a command that has ended.
type result struct {
	code        int
	out, errOut string
}

// do runs a command to its end, with input as its standard input. It does so in
// this process, which takes a hundredth of the time.
func do(t *testing.T, input string, args ...string) result {
	t.Helper()
	var out, errOut output
	code := run(args, strings.NewReader(input), &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

// output collects what several goroutines print.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// finish is do in a process of its own.
func finish(t *testing.T, cmd *exec.Cmd, input string) result {
	t.Helper()
	var out, errOut strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// serve starts a server and returns it with its URL.
func serve(t *testing.T, args ...string) (*process, string) {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	p := launch(t, append([]string{"serve", "--demo=false"}, args...)...)
	return p, "http://" + addressOf(t, p)
}

// addressOf waits until a server says where it listens.
func addressOf(t *testing.T, p *process) string {
	t.Helper()
	line := regexp.MustCompile(`msg=serving address=(\S+)`)
	return line.FindStringSubmatch(p.errOut.wait(t, "where it serves", line.MatchString))[1]
}

// The help of every command is a golden file, and has examples.
func TestHelp(t *testing.T) {
	t.Parallel()
	commands := []string{"", "serve", "config", "config check", "config print", "config explain", "config schema", "echo", "pub", "sub", "dial", "example", "inspect", "conform", "conform server", "conform client", "bench", "bench echo", "bench fanout", "bench connections", "bench handshakes", "bench storm", "token", "token make", "token explain", "key", "key new", "access", "access explain", "explain", "cluster", "plan", "healthcheck", "version"}
	for _, name := range commands {
		r := do(t, "", append(strings.Fields(name), "--help")...)
		if r.code != exitOK || r.errOut != "" || !strings.Contains(r.out, "Examples:") {
			t.Errorf("%q: %+v", name, r)
		}
		for line := range strings.Lines(r.out) {
			if strings.Contains(line, "  --") && !strings.Contains(line, "(default ") && strings.HasPrefix(line, "   ") {
				t.Errorf("%q: a flag without its default: %s", name, line)
			}
		}
		if name == "" {
			name = "godwit"
		}
		golden.Compare(t, "testdata/help/"+strings.ReplaceAll(name, " ", "-")+".txt", r.out)
	}
	for _, name := range commands {
		if r := do(t, "", append([]string{"help"}, strings.Fields(name)...)...); r != do(t, "", append(strings.Fields(name), "--help")...) {
			t.Errorf("godwit help %s: %+v", name, r)
		}
	}
	if r := do(t, ""); r.code != exitOK || !strings.Contains(r.out, "Available Commands:") {
		t.Errorf("without a command: %+v", r)
	}
	for _, c := range newRoot().Commands() {
		if !slices.Contains(commands, c.Name()) && c.Name() != "help" && c.Name() != "completion" {
			t.Errorf("the help of %s is in no golden file", c.Name())
		}
	}
}

// Each mistake is one line on standard error, without the usage, and an exit code.
func TestMistakes(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:0\nhistory:\n  cuont: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"srve", 2, `there is no command "srve"; did you mean serve?`},
		{"moon", 2, `there is no command "moon"; "godwit --help" lists them all`},
		{"--moon", 2, `there is no flag --moon; "godwit --help" lists the flags`},
		{"help moon", 2, `there is no command "moon"; "godwit --help" lists them all`},
		{"help srve", 2, `there is no command "srve"; did you mean serve?`},
		{"help conform srver", 2, `there is no command "conform srver"; did you mean conform server?`},
		{"help serve now", 2, `there is no command "serve now"; "godwit serve --help" says what there is`},
		{"help --moon", 2, `there is no flag --moon`},
		{"config chek", 2, `there is no command "config chek"; did you mean config check?`},
		{"config check --config " + file, 2, file + ":3:3: history.cuont: there is no such setting; did you mean count?"},
		{"config print --config " + file, 2, file + ":3:3: history.cuont: there is no such setting; did you mean count?"},
		{"config explain", 2, "an argument is missing; usage: godwit config explain CHANNEL [flags]"},
		{"config explain a//b", 2, "channel"},
		{"config check --config /nowhere/godwit.yaml", 1, "cannot read the configuration: open /nowhere/godwit.yaml"},
		{"conform srver", 2, `there is no command "conform srver"; did you mean conform server?`},
		{"completion zhs", 2, `there is no command "completion zhs"; did you mean completion zsh?`},
		{"completion bash now", 2, `"now" is one argument too many`},
		{"version --version", 2, "there is no flag --version"},
		{"serve --listn :1", 2, "there is no flag --listn; did you mean --listen?"},
		{"serve -x", 2, `there is no flag -x; "godwit serve --help" lists the flags`},
		{"serve --listen", 2, `--listen needs a value; "godwit serve --help" lists the flags`},
		{"serve now", 2, `"now" is one argument too many; usage: godwit serve [flags]`},
		{"serve --history-count many", 2, `--history-count: "many" is not a whole number`},
		{"serve --history-age 10", 2, `--history-age: 10 has no unit; write for example 10s or 10m`},
		{"echo --compress=maybe", 2, `--compress: "maybe" is neither true nor false`},
		{"echo --message-bytes 1.5", 2, `--message-bytes: "1.5" is not a whole number`},
		{"echo --message-bytes 99999999999999999999", 2, `--message-bytes: "99999999999999999999" is not a whole number`},
		{"bench echo ws://h/ --rate x", 2, `--rate: "x" is not a number such as 0.5 or 1000`},
		{"bench echo ws://h/ --pid 1,x", 2, `--pid: "1,x" is not a whole number, or several with commas between`},
		{"dial ws://h/ --subprotocol a\"b", 2, `--subprotocol: "a\"b" is neither a value nor several with commas between`},
		{"conform server ws://127.0.0.1:1 --jobs 0", 2, "--jobs must be more than 0"},
		{"conform server ws://127.0.0.1:1 --timeout 0s", 2, "--timeout must be more than 0"},
		{"serve --demo=maybe", 2, `--demo: "maybe" is neither true nor false`},
		{"serve --log-level loud", 2, `--log-level: "loud" is not one of debug, info, warn, error`},
		{"serve --origin https://a.example/x", 2, "--origin: origin pattern"},
		{"serve --config " + file, 2, "godwit.yaml:3:3: history.cuont: there is no such setting; did you mean count? valid here: count, age"},
		{"serve --config " + file + ".not", 1, "cannot read the configuration: open "},
		{"serve --listen 0.0.0.0:0", 1, "refusing to listen on 0.0.0.0:0: other machines can reach it"},
		{"serve --listen :0", 1, "or insist with --insecure"},
		{"serve --listen [::]:0", 1, "refusing to listen on [::]:0"},
		{"echo --driver io_uring", 2, `--driver: there is no driver "io_uring"; there are engine and goroutine`},
		{"echo --listen nowhere", 1, "cannot listen on nowhere: "},
		{"pub", 2, "an argument is missing; usage: godwit pub CHANNEL [MESSAGE] [flags]"},
		{"pub a b c", 2, `"c" is one argument too many`},
		{"pub a b --json --binary", 2, "exclude each other"},
		{"pub a", 1, "standard input is empty; write '' as MESSAGE to publish an empty message"},
		{"pub a --json", 1, "standard input is empty"},
		{"pub a --binary", 1, "standard input is empty"},
		{"pub a b --lines", 2, "leave MESSAGE out"},
		{"pub a --lines --idempotency-key k", 2, "exclude each other"},
		{"pub a b --server ftp://x", 2, `--server: "ftp://x" is not the URL of a server; write for example http://127.0.0.1:8000`},
		{"pub a b --server http://127.0.0.1:1", 1, "cannot reach 127.0.0.1:1: connection refused"},
		{"sub", 2, "an argument is missing"},
		{"sub a a", 2, `channel "a" is given twice`},
		{"sub a -n 0", 2, "--count: 0 is not a number of messages"},
		{"sub a -n x", 2, `--count: "x" is not a whole number`},
		{"sub a --last -1", 2, "--last: -1 is negative"},
		{"sub a --last 1 --since e:1", 2, "exclude each other"},
		{"sub a b --since e:1", 2, "--since belongs to one channel, and 2 are given"},
		{"sub a --since e1", 2, `--since: position "e1": it has no colon`},
		{"dial", 2, "an argument is missing"},
		{"dial example.com", 2, `"example.com" is not a URL to dial`},
		{"dial ftp://example.com", 2, "is not a URL to dial"},
		{"dial ws://127.0.0.1:1", 1, "cannot connect: "},
		{"dial ws://127.0.0.1:1 --header x", 2, `--header: "x" is not a header field; write 'Name: value'`},
		{"dial ws://127.0.0.1:1 --timeout 5", 2, `--timeout: "5" is not a duration such as 500ms, 10s or 1h30m`},
		{"dial ws://127.0.0.1:1 --timeout 0s", 2, "--timeout: 0s is not a time to wait"},
		{"version x", 2, "one argument too many"},

		// Passwords and tokens are not repeated.
		{"dial ftp://ada:hush@example.com/?token=hush", 2, `"ftp://ada:...@example.com/?token=..." is not a URL to dial`},
		{"dial ws://ada:hu/hush@example.com/", 2, `"ws://..." is not a URL to dial`},
		{"dial ws://ada:hush@127.0.0.1:1/?token=hush", 1, "cannot connect: "},
		{"pub a b --server ftp://ada:hush@x", 2, `--server: "ftp://ada:...@x" is not the URL of a server`},
		{"pub a b --server http://127.0.0.1/?token=hush", 2, `--server: "http://127.0.0.1/?token=..." is not the URL of a server`},
		{"pub a b --server http://ada:hush@127.0.0.1:1", 1, "cannot reach 127.0.0.1:1: connection refused"},
		{"inspect ws://ada:hu/hush@example.com/", 2, `"ws://..." is not an endpoint to inspect`},
		{"inspect ws://ada:hush@example.com/#", 2, `"ws://ada:...@example.com/`},
		{"conform server nowhere", 2, `begins with ws:// or wss://, has a host and neither user nor fragment: got "nowhere"`},
		{"conform server ws://ada:hush@example.com/", 2, `got "ws://ada:...@example.com/"`},
		{"conform server ws://127.0.0.1:1/?token=hush", 1, "there is no WebSocket server at 127.0.0.1:1"},
	} {
		r := do(t, "", strings.Fields(c.args)...)
		line, rest, _ := strings.Cut(r.errOut, "\n")
		if r.code != c.code || r.out != "" || rest != "" || !strings.HasPrefix(line, "godwit: ") || !strings.Contains(line, c.want) || strings.Contains(line, "hush") {
			t.Errorf("godwit %s\n got %d %q %q\nwant %d %q", c.args, r.code, r.out, r.errOut, c.code, c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	r := do(t, "", "version")
	if r.code != exitOK || !strings.HasPrefix(r.out, "godwit ") || !strings.HasSuffix(r.out, " "+runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH+"\n") {
		t.Errorf("%+v", r)
	}
	if flag := do(t, "", "--version"); flag != r {
		t.Errorf("--version: %+v", flag)
	}
	r = do(t, "", "version", "--json")
	if r.code != exitOK || !strings.Contains(r.out, `"go":"`+runtime.Version()+`"`) || !strings.Contains(r.out, `"version":"`) {
		t.Errorf("%+v", r)
	}
}

var interrupts = []os.Signal{os.Interrupt, syscall.SIGTERM}
