package interop

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/internal/clustertest"
)

func TestMain(m *testing.M) {
	// Parallel tests wait for other programs. The command line, which is read
	// later, has the last word.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(suite{m}, goleak.Cleanup(func(code int) {
		if packagesDir != "" {
			_ = os.RemoveAll(packagesDir)
		}
		os.Exit(code)
	}))
}

// suite is all tests, and what they share.
type suite struct{ *testing.M }

func (s suite) Run() int {
	return chromiumtest.Main(clustertest.Main(s.M)).Run()
}

var address = regexp.MustCompile(`msg=serving address=(127\.0\.0\.1:\d+)`)

// serveGodwit runs `godwit serve`, which ends with the test, and returns its host
// and port. heartbeat is after how much silence its streams show that they are
// alive.
func serveGodwit(t *testing.T, heartbeat time.Duration, args ...string) (host string) {
	t.Helper()
	host, _ = launchGodwit(t, heartbeat, args...)
	return host
}

// launchGodwit is serveGodwit with a process that can be signalled.
func launchGodwit(t *testing.T, heartbeat time.Duration, args ...string) (host string, process *os.Process) {
	t.Helper()
	skipShort(t)
	if !slices.Contains(args, "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	cmd := exec.Command(clustertest.Program(t), append([]string{"serve"}, args...)...)
	cmd.Env = append(os.Environ(), "GODWIT_HEARTBEAT="+heartbeat.String())
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said strings.Builder
	for host == "" && lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			host = m[1]
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			if !strings.Contains(lines.Text(), "level=INFO") {
				fmt.Fprintln(os.Stderr, lines.Text())
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	if host == "" {
		t.Fatalf("the program does not say where it listens:\n%s", said.String())
	}
	return host, cmd.Process
}

// get makes a request whose answer may be a stream. It ends with the test.
func get(t *testing.T, client *http.Client, url string, header ...string) *http.Response {
	t.Helper()
	return request(t, client, http.MethodGet, url, "", header...)
}

func request(t *testing.T, client *http.Client, method, url, body string, header ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, patience)
	q, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
	}
	response, err := client.Do(q)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		response.Body.Close()
	})
	return response
}

// body reads an answer to its end.
func body(t *testing.T, response *http.Response, status int) string {
	t.Helper()
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != status {
		t.Fatalf("%s, want %d: %.300s", response.Status, status, b)
	}
	return string(b)
}

// publish publishes text, and returns its position.
func publish(t *testing.T, client *http.Client, url, text string) string {
	t.Helper()
	answer := body(t, request(t, client, http.MethodPost, url, text, "Content-Type", "text/plain"), http.StatusCreated)
	m := positionField.FindStringSubmatch(answer)
	if m == nil {
		t.Fatalf("no position in %s", answer)
	}
	return m[1]
}

var positionField = regexp.MustCompile(`"position":"([^"]+)"`)

// stream is an answer that is read line by line.
type stream struct {
	*http.Response // nil if the lines come from elsewhere
	lines          *bufio.Reader
	seen           strings.Builder
}

func newStream(r io.Reader) *stream { return &stream{lines: bufio.NewReader(r)} }

func openStream(t *testing.T, client *http.Client, url string, header ...string) *stream {
	t.Helper()
	response := get(t, client, url, header...)
	if response.StatusCode != http.StatusOK {
		body(t, response, http.StatusOK)
	}
	s := newStream(response.Body)
	s.Response = response
	return s
}

// until reads up to a line that contains part, and returns it.
func (s *stream) until(t *testing.T, part string) string {
	t.Helper()
	for {
		line, err := s.lines.ReadString('\n')
		s.seen.WriteString(line)
		if err != nil {
			t.Fatalf("no line has %q: %v\n%s", part, err, s.seen.String())
		}
		if strings.Contains(line, part) {
			return strings.TrimSuffix(line, "\n")
		}
	}
}
