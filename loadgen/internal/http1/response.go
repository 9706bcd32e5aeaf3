package http1

import (
	"bytes"
)

// Response is what a head says, as far as it matters here.
type Response struct {
	Status          int
	Reason          []byte // may be empty
	ContentType     []byte
	ContentEncoding []byte
	Location        []byte
	RetryAfter      []byte
	Close           bool // the connection is used no more behind it
}

// framing is how long the content is (RFC 9112 §6.3).
type framing struct {
	length  int64 // -1: not given
	chunked bool
	coded   bool // there is a transfer coding
}

// endOfHead returns how long the head is that b begins with, 0 if its end is not
// there. Lines may end with LF alone (RFC 9112 §2.2). Before from there is none.
func endOfHead(b []byte, from int) int {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return 0
		}
		from += i + 1
		switch rest := b[from:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return from + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return from + 2
		}
	}
}

// parse takes a whole head apart.
func (p *Response) parse(head []byte) (framing, error) {
	f := framing{length: -1}
	*p = Response{}
	line, rest := cutLine(head)
	modern, err := p.parseStatus(line)
	if err != nil {
		return f, err
	}
	closes, keeps := false, false
	for {
		if line, rest = cutLine(rest); len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 {
			return f, malformed("%.60q is not a header field", line)
		}
		name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
		switch {
		case is(name, "content-type"):
			p.ContentType = value
		case is(name, "content-encoding"):
			p.ContentEncoding = value
		case is(name, "location"):
			p.Location = value
		case is(name, "retry-after"):
			p.RetryAfter = value
		case is(name, "content-length"):
			n, err := parseLength(value)
			if err != nil {
				return f, err
			}
			if f.length >= 0 && n != f.length {
				return f, malformed("two different lengths, %d and %d", f.length, n)
			}
			f.length = n
		case is(name, "transfer-encoding"):
			f.coded = true
			last := value[bytes.LastIndexByte(value, ',')+1:]
			f.chunked = is(bytes.Trim(last, " \t"), "chunked")
		case is(name, "connection"):
			closes = closes || lists(value, "close")
			keeps = keeps || lists(value, "keep-alive")
		}
	}
	if f.coded && !modern { // RFC 9112 §6.1: its framing is faulty
		return f, malformed("a transfer coding in HTTP/1.0")
	}
	p.Close = closes || !modern && !keeps
	return f, nil
}

// parseStatus takes the first line apart. It reports whether it is HTTP/1.1, which
// keeps a connection by default, and not 1.0.
func (p *Response) parseStatus(line []byte) (modern bool, err error) {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	status, reason, _ := bytes.Cut(rest, []byte(" "))
	if len(version) != len("HTTP/1.1") || string(version[:len("HTTP/1.")]) != "HTTP/1." || version[7] != '0' && version[7] != '1' {
		return false, malformed("it begins with %.60q and not with HTTP/1.1", line)
	}
	if len(status) != 3 || status[0] < '1' || status[0] > '9' {
		return false, malformed("%.60q has no status", line)
	}
	for _, c := range status {
		if c < '0' || c > '9' {
			return false, malformed("%.60q has no status", line)
		}
		p.Status = 10*p.Status + int(c-'0')
	}
	p.Reason = bytes.TrimSpace(reason)
	return version[7] == '1', nil
}

// parseLength parses a length, which may be given several times in one field if
// it is always the same (RFC 9110 §8.6).
func parseLength(value []byte) (int64, error) {
	length := int64(-1)
	for {
		one, rest, more := bytes.Cut(value, []byte(","))
		one = bytes.Trim(one, " \t")
		n := int64(0)
		for _, c := range one {
			if c < '0' || c > '9' {
				return 0, malformed("a length of %.40q", value)
			}
			if n = 10*n + int64(c-'0'); n > contentBytesMax {
				return 0, malformed("a length of %.40q is too large", value)
			}
		}
		if len(one) == 0 || length >= 0 && n != length {
			return 0, malformed("a length of %.40q", value)
		}
		if length = n; !more {
			return length, nil
		}
		value = rest
	}
}

// cutLine returns the first line of b without its end, and what comes behind it.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// is compares without regard to case; want is in small letters.
func is(b []byte, want string) bool {
	if len(b) != len(want) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

// lists reports whether a comma-separated list has an element.
func lists(list []byte, element string) bool {
	for len(list) > 0 {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(","))
		if is(bytes.Trim(one, " \t"), element) {
			return true
		}
	}
	return false
}
