//go:build linux

package main

import (
	"fmt"
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

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws"
)

// pane is a terminal of tmux in which the program runs.
type pane struct {
	t      *testing.T
	socket string
	out    *transcript // what the program has written, which tells when to look
}

// newPane runs a command of the program in a terminal of that size. State, for the
// history, is in dir.
func newPane(t *testing.T, width, height int, dir string, env []string, args ...string) *pane {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Fatal("tmux is not installed, and GODWIT_REQUIRE_ALL is set")
		}
		t.Skip("tmux is not installed")
	}
	folder, err := os.MkdirTemp("", "") // a name of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	p := &pane{t: t, socket: filepath.Join(folder, "s"), out: &transcript{more: make(chan struct{})}}

	// The program begins when what it writes is looked at, and says at last how it has
	// ended.
	script := `tmux -S "$0" wait-for begin; "$@"; echo "exit code $?"; tmux -S "$0" wait-for never`
	conf := filepath.Join(folder, "conf")
	if err := os.WriteFile(conf, []byte("set -g history-limit 100000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	create := []string{"-f", conf, "-u", "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height)}
	create = append(create, "--", "sh", "-c", script, p.socket, "env", asProgram+"=1", "XDG_STATE_HOME="+dir, "LC_ALL=C.UTF-8", "NO_COLOR=1")
	p.tmux(append(append(append(create, env...), os.Args[0]), args...)...)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", p.socket, "kill-server").Run() })
	fifo := filepath.Join(folder, "out")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	written, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { p.out.read(written) })
	t.Cleanup(func() {
		written.Close()
		reading.Wait()
	})
	p.tmux("pipe-pane", "-o", "exec cat > "+fifo)
	p.tmux("wait-for", "-S", "begin")
	return p
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	b, err := exec.Command("tmux", append([]string{"-S", p.socket}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, b)
	}
	return string(b)
}

// press presses keys, by tmux's names of them.
func (p *pane) press(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

func (p *pane) typed(text string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", "--", text)
}

func (p *pane) paste(text string) {
	p.t.Helper()
	p.tmux("set-buffer", "--", text)
	p.tmux("paste-buffer", "-p")
}

// look is what the terminal shows, without what differs from run to run. The cursor is
// shown as ▮ where it stands behind a line.
func (p *pane) look() string {
	p.t.Helper()
	// One call of tmux: between two the program would draw, and the cursor would be that
	// of another screen.
	cursor, text, _ := strings.Cut(p.tmux("display-message", "-p", "#{cursor_y} #{cursor_x}", ";", "capture-pane", "-p"), "\n")
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var y, x int
	if _, err := fmt.Sscan(cursor, &y, &x); err != nil {
		p.t.Fatal(err)
	}
	for y >= len(lines) {
		lines = append(lines, "")
	}
	lines[y] = withCursor(lines[y], x)
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return varying.ReplaceAllString(strings.Join(lines, "\n")+"\n", "…")
}

// eraseBelow is what the program writes before it draws all of its input anew, as it
// does when the input has grown or shrunk and when the terminal has.
const eraseBelow = "\x1b[J"

// varying is what differs from run to run: durations, addresses, sessions, positions.
var varying = regexp.MustCompile(`\b[0-9.]+([mµn]s|s\b)|127\.0\.0\.1:[0-9]+|"(session|secret|position|time)": ?"[^"]*"|"after_ms": ?[0-9]+`)

// withCursor puts a mark into a line at a cell.
func withCursor(line string, cell int) string {
	at := 0
	for i, r := range line {
		if at >= cell {
			return line[:i] + "▮" + line[i:]
		}
		at++
		if r >= 0x1100 { // the wide ones of these tests
			at++
		}
	}
	return line + strings.Repeat(" ", max(0, cell-at)) + "▮"
}

// sees waits until the terminal shows want, and returns all of what it shows.
func (p *pane) sees(want string) (screen string) {
	p.t.Helper()
	defer func() {
		if p.t.Failed() {
			p.t.Logf("the screen was\n%s", screen)
		}
	}()
	p.out.wait(p.t, "a screen with "+want, func(string) bool {
		screen = p.look()
		return strings.Contains(screen, want)
	})
	return screen
}

// stage is a server that says and hears what a test wants.
type stage struct {
	url   string
	heard chan string
	say   chan string
	end   chan ws.StatusCode
}

func newStage(t *testing.T) *stage {
	s := &stage{heard: make(chan string, 100), say: make(chan string), end: make(chan ws.StatusCode)}
	s.url = wsServer(t, nil, func(conn *ws.Conn, r *http.Request) {
		go func() {
			for m, err := range conn.Messages(r.Context()) {
				if err != nil {
					return
				}
				s.heard <- string(m.Data)
			}
		}()
		for {
			select {
			case text := <-s.say:
				typ := ws.MessageText
				if strings.HasPrefix(text, "\x00") {
					typ = ws.MessageBinary
				}
				if conn.Write(r.Context(), typ, []byte(text)) != nil {
					return
				}
			case code := <-s.end:
				_ = conn.Close(code, "the \x1b[2Jend")
				return
			case <-conn.Done():
				return
			}
		}
	})
	return s
}

// hears waits for a message of the person.
func (s *stage) hears(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-s.heard:
		if got != want {
			t.Errorf("the server heard %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the server did not hear %q", want)
	}
}

// What a person types survives what arrives, and what arrives is readable and harmless.
func TestDialTerminal(t *testing.T) {
	t.Parallel()
	s, dir := newStage(t), t.TempDir()
	p := newPane(t, 80, 20, dir, nil, "dial", s.url)
	p.sees("> ▮")
	p.typed("half a 漢字 😀 li")
	p.sees("li▮")
	s.say <- "arrives meanwhile"
	s.say <- `{"id":7,"text":"a value that is longer than two rows of this terminal are, which is wide enough for most of what comes, but not for this","list":[1,null,true]}`
	s.say <- "\x1b[2J\x1b]0;title\a\x1b[31mred \u202e\r\b"
	s.say <- "\x00bytes \x1b[2J and more than sixteen"
	p.sees("> half a 漢字 😀 li▮")
	p.press("Left", "Left", "Left", "BSpace", "X")
	golden.Compare(t, "testdata/dial/typing.txt", p.sees("> half a 漢字 X▮ li"))
	p.press("Enter")
	s.hears(t, "half a 漢字 X li")
	s.say <- "half a 漢字 X li" // an echo, whose way is measured
	p.sees("li  (…)")

	p.paste("{\n\t\"pasted\": [1,\n\t2]\n}")
	golden.Compare(t, "testdata/dial/paste.txt", p.sees("  }▮"))
	p.press("Enter")
	s.hears(t, "{\n\t\"pasted\": [1,\n\t2]\n}")

	p.sees("[1,2]}\n> ▮\n") // the input has shrunk
	s.say <- "the terminal is wide"
	p.sees("wide\n> ▮\n")
	p.out.contains(t, "the terminal is wide")
	p.tmux("resize-window", "-x", "30", "-y", "12")
	p.out.wait(t, "an input that is drawn anew", func(text string) bool { // what is typed before belongs to either width
		_, behind, _ := strings.Cut(text, "the terminal is wide")
		return strings.Contains(behind, eraseBelow)
	})
	p.typed("words that are wrapped as the terminal is narrow now")
	p.sees("now▮")
	s.say <- "a message that is wrapped, too"
	golden.Compare(t, "testdata/dial/resized.txt", p.sees("wrapped, t\noo\n> words that are wrapped as\n  the terminal is narrow now▮"))
	p.press("C-c") // drops the input
	p.sees("\n> ▮")
	p.press("C-c")
	p.sees("exit code 0")

	// The next time it is all there to be sent again, and nobody else can read it.
	p = newPane(t, 60, 8, dir, nil, "dial", s.url)
	p.sees("> ▮")
	p.press("Up", "Up")
	p.sees("half a 漢字 X li▮")
	p.press("C-c", "C-r")
	p.typed("pas")
	p.sees("search: pas▮ → {⏎␉\"pasted\"")
	p.press("Enter")
	s.hears(t, "{\n\t\"pasted\": [1,\n\t2]\n}")
	p.typed("/close 4000 bye")
	p.press("Enter")
	golden.Compare(t, "testdata/dial/closed.txt", p.sees("exit code 0"))
	info, err := os.Stat(filepath.Join(dir, "godwit", "dial-history"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the history: %v, %v", info, err)
	}
}

// The end that the server makes is explained, and the terminal is given back.
func TestDialTerminalEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := newPane(t, 60, 10, t.TempDir(), nil, "dial", s.url, "--history", "none", "-t")
	p.sees("> ▮")
	p.typed("not sent")
	p.sees("sent▮")
	s.end <- 1012
	golden.Compare(t, "testdata/dial/ended.txt", p.sees("exit code 1"))

	p = newPane(t, 60, 10, t.TempDir(), []string{"TERM=dumb"}, "dial", s.url) // without an editor
	p.sees("Ctrl-D ends")
	p.typed("line")
	p.press("Enter")
	s.hears(t, "line")
	p.press("C-d")
	p.sees("exit code 0")
}

// A flood of long messages leaves the input where it is, and is all there.
func TestDialTerminalFlood(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := newPane(t, 40, 10, t.TempDir(), nil, "dial", s.url, "--history", "none")
	p.sees("> ▮")
	p.typed("typed")
	p.sees("typed▮")
	const messages = 200
	for i := range messages {
		s.say <- fmt.Sprintf("%d %s", i, strings.Repeat("long ", 100)) // longer than the screen
	}
	p.sees("\n> typed▮")
	s.say <- "last"
	if screen := p.sees("< last\n> typed▮"); strings.Count(screen, "> typed") != 1 {
		t.Errorf("the input is there more than once:\n%s", screen)
	}
	all := p.tmux("capture-pane", "-p", "-S", "-")
	for i := range messages {
		if !strings.Contains(all, fmt.Sprintf("< %d long", i)) {
			t.Fatalf("message %d is not there", i)
		}
	}
	p.press("C-c", "C-d")
	p.sees("exit code 0")
}

// Words, completed and with replies, at /connect of a server of ours.
func TestDialTerminalConnect(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	do(t, "", "pub", "chat", "before", "--server", url)
	do(t, "", "pub", "chess", "before", "--server", url)
	p := newPane(t, 180, 16, t.TempDir(), nil, "dial", url+"/connect")
	p.sees("> ▮")
	// Sent for a person who begins with another command, it is answered before or after
	// that command is shown.
	p.typed("connect")
	p.press("Enter")
	p.sees("(connect, …)\n> ▮\n")
	p.typed("sub")
	p.press("Tab")
	p.sees("> subscribe ▮")
	p.press("c", "Tab")
	p.sees("> subscribe ch▮\n  chat  chess")
	p.press("Tab")
	p.sees("> subscribe chat ▮")
	p.typed("last=1")
	p.press("Enter")
	p.sees(`"data":"before"}`)
	p.typed("moon")
	p.press("Enter")
	golden.Compare(t, "testdata/dial/connect.txt", p.sees("JSON goes as it is\n> ▮\n"))
	p.press("C-d")
	p.sees("exit code 0")
}
