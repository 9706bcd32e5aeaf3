package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// startPythonSocketIO runs Debian's client. The returned actor only tells; what it is to
// send are lines to in.
func startPythonSocketIO(t *testing.T, host, namespace string, count int, transports ...string) (a *actor, in io.Writer) {
	t.Helper()
	path := program(t, "/usr/bin/python3", "python3")
	if out, err := exec.Command(path, "-c", "import socketio, aiohttp").CombinedOutput(); err != nil {
		missing(t, "python3-socketio or python3-aiohttp is not installed: "+string(out))
	}
	args := append([]string{"-B", "testdata/python/socketio_client.py", "http://" + host, namespace, fmt.Sprint(count)}, transports...)
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := newStage("python")
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer s.leave()
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return
			}
			s.hear(line)
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-read
		_ = cmd.Wait()
	})
	return &actor{s, "python", s.inbox("python")}, stdin
}

// TestSocketIOPython: the client of another language, over each transport and from one
// to the other.
func TestSocketIOPython(t *testing.T) {
	t.Parallel()
	host, process := launchProtocols(t, socketioConfig, "127.0.0.1:0")
	for i, transports := range [][]string{nil, {"polling"}, {"websocket"}} {
		t.Run(strings.Join(append([]string{"transports"}, transports...), " "), func(t *testing.T) {
			channel := fmt.Sprint("python/", i)
			n := bare(t, host, channel, "?self=0")
			a, _ := startPythonSocketIO(t, host, "/"+channel, numbersCount, transports...)
			a.wants(t, "open")
			numbersWith(t, n, a, true, func(string) {}, said, func(text string) string { return text })
		})
	}
	a, in := startPythonSocketIO(t, host, "/python/more", 0)
	a.wants(t, "open")
	fmt.Fprintln(in, `["bytes", [{"$bytes": [0, 1, 255]}, "text", {"a": [1, null]}]]`)
	var ack, echo seen
	for ack.Event == "" || echo.Event == "" { // in either order
		switch e := a.until(t, "both", func(e seen) bool { return true }); e.Event {
		case "ack":
			ack = e
		case "message":
			echo = e
		}
	}
	var answer struct{ Position string }
	if len(ack.Args) != 1 || json.Unmarshal(ack.Args[0], &answer) != nil || answer.Position == "" {
		t.Errorf("acknowledged with %v", ack)
	}
	if len(echo.Args) != 3 || string(echo.Args[0]) != `{"$bytes": [0, 1, 255]}` || string(echo.Args[2]) != `{"a": [1, null]}` {
		t.Errorf("it heard %v", echo)
	}
	restart(t, process, host, socketioConfig)
	a.untilEvent(t, "closed")
	a.untilEvent(t, "open")
	body(t, post(t, host, "python/more?event=news", "application/json", `{"n":1}`), http.StatusCreated)
	if e := a.untilEvent(t, "message"); e.Name != "news" || !sameJSON(t, string(e.Args[0]), `{"n":1}`) {
		t.Errorf("it heard %v", e)
	}
}
