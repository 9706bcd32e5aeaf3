//go:build !js

package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// responseHeadBytesMax bounds what a server may send before its head ends,
	// heads of interim responses included.
	responseHeadBytesMax = 64 << 10

	// responseFieldsMax bounds how many fields those heads may have: the shortest
	// are 4 bytes, and each costs us twenty times that.
	responseFieldsMax = 256

	// interimResponsesMax bounds how many responses of 1xx may come before the
	// final one. A proxy that hints at resources sends one or two.
	interimResponsesMax = 10

	// responseBodyBytesMax is how much of the body of a refusal is kept.
	responseBodyBytesMax = 64 << 10
)

// readHead reads the head of the final response, of bounded length. Interim ones
// before it are skipped (RFC 9110 §15.2); 101 is final. scheme is that of the
// URL, to explain what is no response.
func readHead(nc net.Conn, scheme string) (*bufio.Reader, *http.Response, error) {
	head := &headReader{r: nc, left: responseHeadBytesMax}
	br := bufio.NewReader(head)
	begin, _ := br.Peek(3) // an error comes again
	first := bytes.Clone(begin)
	fields := 0
	for interim := 0; ; interim++ {
		response, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
		if err != nil {
			if head.left <= 0 {
				return nil, nil, fmt.Errorf("the head of the response is longer than %d bytes", responseHeadBytesMax)
			}
			return nil, nil, explainAnswer(err, first, scheme)
		}
		for _, values := range response.Header {
			fields += len(values)
		}
		switch {
		case fields > responseFieldsMax:
			return nil, nil, fmt.Errorf("the head of the response has more than %d fields", responseFieldsMax)
		case response.StatusCode/100 != 1 || response.StatusCode == http.StatusSwitchingProtocols:
			head.left = responseBodyBytesMax
			return br, response, nil
		case interim == interimResponsesMax:
			return nil, nil, fmt.Errorf("more than %d responses of 1xx came before the final one", interimResponsesMax)
		}
	}
}

// headReader ends after so many bytes.
type headReader struct {
	r    io.Reader
	left int
}

func (h *headReader) Read(p []byte) (int, error) {
	if h.left <= 0 {
		return 0, io.EOF
	}
	n, err := h.r.Read(p[:min(len(p), h.left)])
	h.left -= n
	return n, err
}

// keepBody keeps what a refusal said, and returns it: its body ends with the connection.
func keepBody(nc net.Conn, r *http.Response) []byte {
	nc.SetReadDeadline(time.Now().Add(time.Second)) // what it said at once is enough
	body, _ := io.ReadAll(io.LimitReader(r.Body, responseBodyBytesMax))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}
