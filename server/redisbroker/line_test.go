package redisbroker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// describe is a frame as text.
func (f *frame) String() string {
	return fmt.Sprintf("%c %q %q", f.kind, f.text, f.items)
}

// framesOf are the frames of what a server says, and the error behind them.
func framesOf(r io.Reader) (list []string, err error) {
	var room frame
	for b := bufio.NewReaderSize(r, 64); ; {
		f, err := readFrame(b, &room)
		if err != nil {
			return list, err
		}
		list = append(list, f.String())
	}
}

var someFrames = map[string]string{
	"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n":         `* "" ["message" "c" "hello"]`,
	"*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$0\r\n\r\n": `* "" ["pmessage" "c*" "c" ""]`,
	"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n":                `* "" ["subscribe" "c" "1"]`,
	"*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n":                 `* "" ["unsubscribe" "" "0"]`,
	"*2\r\n$4\r\npong\r\n$1\r\nx\r\n":                           `* "" ["pong" "x"]`,
	"+OK\r\n":                                                   `+ "OK" []`,
	"-NOAUTH Authentication required.\r\n":                      `- "NOAUTH Authentication required." []`,
	"$4\r\nPONG\r\n":                                            `$ "PONG" []`,
	":12\r\n":                                                   `: "12" []`,
}

func TestFrames(t *testing.T) {
	for text, want := range someFrames {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "bytes": iotest.OneByteReader(strings.NewReader(text))} {
			if list, err := framesOf(r); err != io.EOF || len(list) != 1 || list[0] != want {
				t.Errorf("%q in %s is %q, %v; want %s", text, name, list, err, want)
			}
		}
		for n := 1; n < len(text); n++ {
			if list, err := framesOf(strings.NewReader(text[:n])); len(list) > 0 || err != io.ErrUnexpectedEOF && err != io.EOF {
				t.Errorf("%q is %q, %v", text[:n], list, err)
			}
		}
	}
	for _, text := range []string{"x\r\n", "\r\n", "*17\r\n", "*2\r\n+a\r\n", "$3\r\nabcde", "*1\r\n$x\r\n", "$999999999999\r\n", "$536870913\r\n", strings.Repeat("a", 100) + "\r\n"} {
		if list, err := framesOf(strings.NewReader(text)); len(list) > 0 || err == nil || err == io.EOF {
			t.Errorf("%q is %q, %v", text, list, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	for text := range someFrames {
		f.Add([]byte(text), 3)
	}
	f.Add([]byte("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$536870912\r\nhello\r\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		whole, err := framesOf(bytes.NewReader(b))
		parts, err2 := framesOf(&chunked{b, max(1, n)})
		if fmt.Sprint(whole) != fmt.Sprint(parts) || (err == nil) != (err2 == nil) {
			t.Fatalf("%q is %q (%v), and in pieces %q (%v)", b, whole, err, parts, err2)
		}
	})
}

// chunked reads n bytes at a time.
type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}
