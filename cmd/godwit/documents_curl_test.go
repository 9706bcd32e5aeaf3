//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// TestCurlBlocks runs the blocks of the pages that consist of curl and the server of the first five
// minutes: each does what it says, or curl fails. A command that listens has two seconds.
func TestCurlBlocks(t *testing.T) {
	if testing.Short() {
		t.Skip("those that listen take as long as they are let")
	}
	t.Parallel()
	needs(t, "sh", "curl")
	host := addressOf(t, launch(t, "serve", "--listen", "127.0.0.1:0", "--demo=false"))
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	count := 0
	for _, page := range append(pages, "../../README.md") {
		for _, b := range blocksOf(t, page) {
			if b.language != "sh" || !isCurl(b.text) {
				continue
			}
			count++
			running.Go(func() { runCurl(t, &b, host) })
		}
	}
	running.Wait()
	if count < 5 {
		t.Errorf("%d blocks were run", count)
	}
}

var atTheServer = regexp.MustCompile(`(http|ws)://127\.0\.0\.1:8000/`)

// isCurl reports whether a script does nothing but ask the server.
func isCurl(text string) bool {
	lines, err := commands(text)
	if err != nil || !atTheServer.MatchString(text) || strings.Contains(text, "TOKEN") {
		return false
	}
	for _, words := range lines {
		for len(words) > 0 && assignment.MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) > 0 && words[0] != "curl" && words[0] != "cut" && words[0] != "printf" {
			return false
		}
	}
	return true
}

// runCurl runs a script, in which curl is a function: it fails at an answer that is an error, and
// does not listen for longer than two seconds.
func runCurl(t *testing.T, b *fenced, host string) {
	const prelude = `set -e
curl() {
  status=0
  command curl -sS --fail-with-body --max-time "$limit" "$@" || status=$?
  if [ $status != 0 ] && [ $status != 28 ]; then echo "curl $*: exit $status"; exit 1; fi
  if [ $status = 28 ]; then case " $* " in *" -N "*) ;; *) echo "curl $*: no answer"; exit 1 ;; esac; fi
}
`
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	limit := "10"
	if strings.Contains(b.text, "curl -N") {
		limit = "2"
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", "limit="+limit+"\n"+prelude+strings.ReplaceAll(b.text, "127.0.0.1:8000", host))
	cmd.Env = append(os.Environ(), "http_proxy=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil || strings.Contains(out.String(), "/problems/") {
		t.Errorf("%s:%d: %v\n%s%s", b.page, b.line, err, b.text, out.String())
	}
}
