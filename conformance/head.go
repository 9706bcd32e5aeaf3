package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
)

// headBytesMax bounds the head of a request or a response of the peer.
const headBytesMax = 64 << 10

// head is an HTTP request or response up to the empty line.
type head struct {
	raw    string
	start  string // the first line
	fields map[string][]string
}

// readHead reads a head. What the peer has sent so far is logged also when it
// is not a whole head.
func readHead(br *bufio.Reader, log *recorder) (*head, error) {
	var raw strings.Builder
	for {
		line, err := br.ReadSlice('\n')
		raw.Write(line)
		if err == bufio.ErrBufferFull {
			err = nil
		}
		if err == nil && raw.Len() > headBytesMax {
			err = fmt.Errorf("the head is longer than %d bytes", headBytesMax)
		}
		if err != nil {
			if raw.Len() > 0 {
				log.got("%s", showHead(raw.String()))
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
			}
			log.got("%s", describeEnd(err))
			return nil, err
		}
		if s := raw.String(); strings.HasSuffix(s, "\r\n\r\n") || strings.HasSuffix(s, "\n\n") {
			break
		}
	}
	log.got("%s", showHead(raw.String()))
	return parseHead(raw.String())
}

// parseHead reads the head of an HTTP/1.1 message by the letter of RFC 9112.
func parseHead(raw string) (*head, error) {
	lines := strings.Split(strings.TrimSuffix(raw, "\r\n\r\n"), "\r\n")
	h := &head{raw: raw, start: lines[0], fields: map[string][]string{}}
	if !strings.HasSuffix(raw, "\r\n\r\n") || strings.ContainsAny(strings.Join(lines, ""), "\r\n\x00") {
		return h, errors.New("a line of the head does not end with CR LF (RFC 9112 §2.2)")
	}
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return h, fmt.Errorf("the line %s is not a header field (RFC 9112 §5)", quoted(line))
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		h.fields[name] = append(h.fields[name], strings.Trim(value, " \t"))
	}
	return h, nil
}

// get returns the value of a field, "" if it is not there.
func (h *head) get(name string) string {
	if values := h.fields[textproto.CanonicalMIMEHeaderKey(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// status reads the first line of a response.
func (h *head) status() (code, major, minor int, err error) {
	proto, rest, ok := strings.Cut(h.start, " ")
	digits, _, _ := strings.Cut(rest, " ")
	code, convErr := strconv.Atoi(digits)
	if !ok || convErr != nil || len(digits) != 3 || len(proto) != len("HTTP/1.1") || !strings.HasPrefix(proto, "HTTP/") || proto[6] != '.' {
		return 0, 0, 0, fmt.Errorf("%s is not the first line of a response (RFC 9112 §4)", quoted(h.start))
	}
	return code, int(proto[5] - '0'), int(proto[7] - '0'), nil
}

// headShownMax is how much of a head a log shows.
const headShownMax = 2 << 10

// showHead makes a head fit for a log: line by line, in ASCII.
func showHead(raw string) string {
	more := ""
	if len(raw) > headShownMax {
		more = fmt.Sprintf("\n… (%d bytes)", len(raw))
		raw = raw[:headShownMax]
	}
	lines := strings.Split(strings.TrimSuffix(raw, "\r\n\r\n"), "\n")
	for i, line := range lines {
		q := strconv.QuoteToASCII(strings.TrimSuffix(line, "\r"))
		lines[i] = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	}
	return strings.Join(lines, "\n") + more
}
