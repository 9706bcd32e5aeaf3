package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// dialEntry is one thing to send or do.
type dialEntry struct {
	text  []byte
	typed bool // as a person types: commands are commands
	err   error
}

// lineReader gives what a person types. It ends with io.EOF.
type lineReader interface {
	ReadLine() (string, error)
}

// errTooLong is about input that is never sent in part.
var errTooLong = fmt.Errorf("a message of standard input is longer than %d MiB, the most that is sent", dialBytesMax>>20)

// readTyped gives what a person types, until the end or until over is closed.
func readTyped(from lineReader, to chan<- dialEntry, over <-chan struct{}) {
	defer close(to)
	for {
		line, err := from.ReadLine()
		if err != nil {
			return
		}
		select {
		case to <- dialEntry{text: []byte(line), typed: true}:
		case <-over:
			return
		}
	}
}

// readMessages gives the messages of a pipe or file, each behind the one before: those
// between separators, or all of it for a separator of -1.
func readMessages(from io.Reader, separator int, typed bool, to chan<- dialEntry, over <-chan struct{}) {
	defer close(to)
	in := bufio.NewReaderSize(from, 64<<10)
	for {
		message, err := readMessage(in, separator, dialBytesMax)
		if errors.Is(err, io.EOF) && len(message) == 0 && separator >= 0 {
			return
		}
		e := dialEntry{text: message, typed: typed}
		if err != nil && !errors.Is(err, io.EOF) {
			e = dialEntry{err: err}
		}
		select {
		case to <- e:
		case <-over:
			return
		}
		if err != nil {
			return
		}
	}
}

// readMessage reads to a separator or the end, which it leaves out.
func readMessage(in *bufio.Reader, separator, most int) ([]byte, error) {
	var message []byte
	var err error
	if separator < 0 {
		if message, err = io.ReadAll(io.LimitReader(in, int64(most)+1)); err == nil {
			err = io.EOF
		}
	} else {
		message, err = readTo(in, byte(separator), most)
	}
	if len(message) > most {
		return nil, errTooLong
	}
	return message, err
}

// readTo is readMessage to a separator. Input longer than most is read in part.
func readTo(in *bufio.Reader, separator byte, most int) (message []byte, err error) {
	for {
		var part []byte
		part, err = in.ReadSlice(separator)
		message = append(message, part...)
		if !errors.Is(err, bufio.ErrBufferFull) || len(message) > most+len("\r\n") {
			break
		}
	}
	if err == nil {
		message = message[:len(message)-1]
	}
	if separator == '\n' {
		message = bytes.TrimSuffix(message, []byte("\r"))
	}
	return message, err
}
