package main

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll reads the messages of in.
func readAll(in io.Reader, separator, most int) (messages []string, err error) {
	r := bufio.NewReaderSize(in, 16)
	for {
		message, err := readMessage(r, separator, most)
		if err != nil && !errors.Is(err, io.EOF) {
			return messages, err
		}
		if err == nil || len(message) > 0 || separator < 0 {
			messages = append(messages, string(message))
		}
		if err != nil {
			return messages, nil
		}
	}
}

func TestReadMessage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10)
	for _, c := range []struct {
		in        string
		separator int
		most      int
		want      []string
		err       error
	}{
		{"", '\n', 100, nil, nil},
		{"a\nb", '\n', 100, []string{"a", "b"}, nil},
		{"a\r\n\n\rb\n", '\n', 100, []string{"a", "", "\rb"}, nil},
		{"a\r\x00\x00b\n", 0, 100, []string{"a\r", "", "b\n"}, nil},
		{"a\nb\n", -1, 100, []string{"a\nb\n"}, nil},
		{"", -1, 100, []string{""}, nil},
		{long + "\r\n" + long, '\n', 100, []string{long, long}, nil},
		{long + "x\n", '\n', 100, nil, errTooLong},
		{"a\n" + long + "x", '\n', 100, []string{"a"}, errTooLong},
		{long + long + long, '\n', 100, nil, errTooLong},
		{long + "x", -1, 100, nil, errTooLong},
		{long, -1, 100, []string{long}, nil},
	} {
		for name, in := range map[string]io.Reader{"at once": strings.NewReader(c.in), "by bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
			if got, err := readAll(in, c.separator, c.most); !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
				t.Errorf("%.20q %d %s: %.50q, %v", c.in, c.separator, name, got, err)
			}
		}
	}
	broken := errors.New("broken")
	if got, err := readAll(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), '\n', 100); !slices.Equal(got, []string{"a"}) || !errors.Is(err, broken) {
		t.Errorf("%q, %v", got, err)
	}
}

// Input that cannot be read or sent ends it, with what came before sent.
func TestReadMessages(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	to, over := make(chan dialEntry), make(chan struct{})
	go readMessages(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(broken)), '\n', true, to, over)
	if e := <-to; string(e.text) != "a" || !e.typed || e.err != nil {
		t.Errorf("%+v", e)
	}
	if e := <-to; !errors.Is(e.err, broken) || e.text != nil {
		t.Errorf("%+v", e)
	}
	if e, open := <-to; open {
		t.Errorf("%+v", e)
	}
	to = make(chan dialEntry)
	go readMessages(strings.NewReader("a\nb\n"), '\n', false, to, over)
	close(over)
	for range to { // it ends, whether a was taken or not
	}
}
