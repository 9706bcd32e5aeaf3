package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Do sends a command on a connection of its own and returns the answer: a string, an
// int64, nil or a []any of them. An error reply is the error.
func (s *Server) Do(command ...string) (any, error) {
	nc, err := net.DialTimeout("tcp", s.Address(), 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(command))
	for _, arg := range command {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if _, err := io.WriteString(nc, b.String()); err != nil {
		return nil, err
	}
	return readAnswer(bufio.NewReader(nc))
}

// Must is Do, and ends the test after an error. The answer is as text.
func (s *Server) Must(t testing.TB, command ...string) string {
	t.Helper()
	answer, err := s.Do(command...)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(command, " "), err)
	}
	return fmt.Sprint(answer)
}

// Info is a field of INFO, "" if there is none.
func (s *Server) Info(t testing.TB, field string) string {
	t.Helper()
	value, err := s.info(field)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (s *Server) info(field string) (string, error) {
	answer, err := s.Do("INFO", "everything")
	for line := range strings.Lines(fmt.Sprint(answer)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return value, err
		}
	}
	return "", err
}

// says reports whether a field of INFO has a value. A server that breaks the connection,
// as one does that becomes a replica, does not say so.
func (s *Server) says(field, value string) bool {
	got, err := s.info(field)
	return err == nil && got == value
}

func readAnswer(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("redistest: an empty answer")
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return nil, errors.New(rest)
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		return string(b[:n]), nil
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return nil, err
		}
		list := make([]any, n)
		for i := range list {
			if list[i], err = readAnswer(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("redistest: the answer %q", line)
}

// await waits until is reports true.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after %v it is not so: %s", patience, what)
		}
	}
}
