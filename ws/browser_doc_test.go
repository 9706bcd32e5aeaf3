//go:build !js

package ws_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// The example of docs/browser-go.md, built and used as the page says.
func TestBrowserDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("programs are built, and a browser takes seconds to start")
	}
	chromium := chromiumtest.Start(t)
	dir := t.TempDir()

	// With an overlay the go command sees the files as a package of this module.
	overlay := map[string]string{}
	for name, text := range documentFiles(t, "../docs/browser-go.md") {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		seen, err := filepath.Abs(filepath.Join("testdata", "chat", name))
		if err != nil {
			t.Fatal(err)
		}
		overlay[seen] = path
	}
	for _, name := range []string{"message.go", "page_js.go", "server.go", "index.html"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatalf("the document has lost a file: %v", err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, b, 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"-overlay", list}
	buildPage(t, filepath.Join(dir, "page.wasm"), flags, "./testdata/chat")
	copyFile(t, wasmExec(t), dir)
	program := filepath.Join(t.TempDir(), "chat")
	build := exec.Command(goTool(t), append(append([]string{"build", "-o", program}, flags...), "./testdata/chat")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	stop, url := startChat(t, program, dir, "127.0.0.1:0")
	page := openPage(t, chromium, url)
	said := func(text string) string {
		return `[...document.querySelectorAll("#log li")].some((item) => item.textContent.includes("` + text + `"))`
	}
	say := func(text string) {
		page.until(`document.getElementById("text").value = "` + text + `", document.querySelector("button").click(), document.getElementById("text").value === ""`)
	}
	page.until(said("Connected."))
	say("hello from the page")
	page.until(said("hello from the page"))

	stop()
	page.until(said("Not connected"))
	startChat(t, program, dir, strings.Trim(strings.TrimPrefix(url, "http:"), "/"))
	say("hello again")
	page.until(said("hello again"))
}

// startChat runs the example's server and returns its URL.
func startChat(t *testing.T, program, dir, listen string) (stop func(), url string) {
	t.Helper()
	server := exec.Command(program, "-listen", listen)
	server.Dir = dir
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if server.ProcessState == nil {
			_ = server.Process.Kill()
			_ = server.Wait()
		}
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	url = regexp.MustCompile(`http://\S+`).FindString(line)
	if url == "" {
		t.Fatalf("the server says %q and no URL", line)
	}
	return stop, url
}

// documentFiles returns the blocks of a document whose first line has the name of
// a file behind the language.
func documentFiles(t *testing.T, document string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(b), -1) {
		files[m[1]] = m[2]
	}
	return files
}
