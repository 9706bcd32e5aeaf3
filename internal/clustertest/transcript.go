//go:build unix

package clustertest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// transcript is what the processes of a node have printed, all of them one after another.
type transcript struct {
	mu   sync.Mutex // guards what follows
	text strings.Builder
	more chan struct{} // closed and replaced when there is more
}

func newTranscript() *transcript { return &transcript{more: make(chan struct{})} }

// read reads until every writer has ended.
func (o *transcript) read(r io.Reader) {
	b := make([]byte, 16<<10)
	for {
		n, err := r.Read(b)
		o.mu.Lock()
		o.text.Write(b[:n])
		close(o.more)
		o.more = make(chan struct{})
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *transcript) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Len()
}

// from returns what was printed from a place on.
func (o *transcript) from(place int) (text string, more <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()[place:], o.more
}

// wait waits until what was printed from a place on contains a text, and returns it. ended
// says that nothing more will come.
func (o *transcript) wait(ctx context.Context, place int, text string, ended <-chan struct{}) (string, error) {
	for {
		printed, more := o.from(place)
		if strings.Contains(printed, text) {
			return printed, nil
		}
		select {
		case <-more:
		case <-ended:
			if printed, _ = o.from(place); strings.Contains(printed, text) {
				return printed, nil
			}
			return "", fmt.Errorf("it ended without %q; it printed:\n%s", text, lastLines(printed, 20))
		case <-ctx.Done():
			return "", fmt.Errorf("%q did not come: %w; it printed:\n%s", text, ctx.Err(), lastLines(printed, 20))
		}
	}
}

// lastLines returns the last n lines of a text. Of a panic that ended the process they are the
// first, which say what it was and where.
func lastLines(text string, n int) string {
	for _, end := range []string{"\npanic: ", "\nfatal error: "} {
		i := strings.LastIndex(text, end)
		if i >= 0 && !strings.Contains(text[i:], "msg=serving ") { // no other process has come after it
			lines := strings.SplitAfter(text[i+1:], "\n")
			return strings.Join(lines[:min(len(lines), n)], "")
		}
	}
	lines := strings.SplitAfter(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(len(lines)-n, 0):], "")
}
