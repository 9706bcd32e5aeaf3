package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/clientproto"
)

const (
	// answerTimeout bounds how long the head of an answer takes that does not wait for
	// anything, and pollSeconds is how long a long poll waits.
	answerTimeout = 15 * time.Second
	pollSeconds   = 14 // less than half of the time that a session is kept by default

	problemBytesMax = 64 << 10
)

// httpCarrier is a carrier that receives by one request after another, or by one that lasts, and sends
// by POSTs.
type httpCarrier struct {
	client *Client
	http   *http.Client
	down   downlink
	first  chan *http.Response // the answer to the request that has begun the session
	name   string              // of the session, for the field Godwit-Session
	ctx    context.Context     // of the requests
	cancel context.CancelFunc
}

// downlink is how objects come.
type downlink interface {
	// accept is the media type that is asked for.
	accept() string

	// receive returns the next message, from the first answer on.
	receive(ctx context.Context, h *httpCarrier) ([]byte, error)
}

// fieldSession names a session in a request (docs/protocol.md §3.5).
const fieldSession = "Godwit-Session"

func newHTTPCarrier(c *Client, down downlink) *httpCarrier {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c.options.TLS
	transport.ResponseHeaderTimeout = answerTimeout + pollSeconds*time.Second
	h := &httpCarrier{client: c, http: &http.Client{Transport: transport, CheckRedirect: keepMethod}, down: down, first: make(chan *http.Response, 1)}
	h.ctx, h.cancel = context.WithCancel(c.ctx)
	return h
}

// keepMethod does not follow a redirect that would make a GET of a POST.
func keepMethod(r *http.Request, via []*http.Request) error {
	if r.Method != via[0].Method || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

func (h *httpCarrier) needsSession() bool         { return true }
func (h *httpCarrier) begun(r clientproto.Resume) { h.name = r.Session + "." + r.Secret }

func (h *httpCarrier) request(ctx context.Context, method, query string, body []byte) (*http.Request, error) {
	u := *h.client.url
	u.RawQuery = query
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if h.client.options.Header != nil {
		r.Header = h.client.options.Header.Clone()
	}
	return r, nil
}

// send implements carrier. The first call begins the session.
func (h *httpCarrier) send(ctx context.Context, lines [][]byte) error {
	body := bytes.Join(lines, []byte{'\n'})
	if h.name == "" {
		r, err := h.request(h.ctx, http.MethodPost, "", body)
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.Header.Set("Accept", h.down.accept())
		answer, err := h.http.Do(r)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = refusal(answer)
			answer.Body.Close()
		}
		if err != nil {
			return explainUnreachable(h.client.url.Host, err)
		}
		h.first <- answer
		return nil
	}
	for {
		r, err := h.request(ctx, http.MethodPost, "", body)
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-ndjson")
		r.Header.Set(fieldSession, h.name)
		answer, err := h.http.Do(r)
		if err != nil {
			return explainUnreachable(h.client.url.Host, err)
		}
		var refused error
		if answer.StatusCode/100 != 2 && answer.StatusCode != http.StatusTooManyRequests {
			refused = refusal(answer) // while its content can be read
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, problemBytesMax)) // so that the connection can be used again
		answer.Body.Close()
		if answer.StatusCode != http.StatusTooManyRequests {
			return refused
		}
		// Nothing of it was taken.
		wait := time.NewTimer(max(retryAfter(answer.Header), 100*time.Millisecond))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		}
	}
}

// receive implements carrier.
func (h *httpCarrier) receive(ctx context.Context) ([]byte, error) { return h.down.receive(ctx, h) }

// begin waits for the answer to the request that has begun the session.
func (h *httpCarrier) begin(ctx context.Context) (*http.Response, error) {
	select {
	case answer := <-h.first:
		return answer, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end implements carrier: the command has ended the session, and without it the session waits.
func (h *httpCarrier) end(bool) {
	h.cancel()
	h.http.CloseIdleConnections()
	select {
	case answer := <-h.first:
		answer.Body.Close()
	default:
	}
}

// lineReader is a downlink: one answer, a line for each object.
type lineReader struct {
	body  io.ReadCloser
	lines *bufio.Reader
}

func (l *lineReader) accept() string { return "application/x-ndjson" }

func (l *lineReader) receive(ctx context.Context, h *httpCarrier) ([]byte, error) {
	if l.lines == nil {
		answer, err := h.begin(ctx)
		if err != nil {
			return nil, err
		}
		l.body, l.lines = answer.Body, bufio.NewReader(answer.Body)
		context.AfterFunc(h.ctx, func() { answer.Body.Close() })
	}
	var line []byte
	for {
		part, err := l.lines.ReadSlice('\n')
		if line = append(line, part...); len(line) > objectBytesMax {
			return nil, errors.New("the server has sent a line that is longer than any object")
		}
		switch err {
		case nil:
			return line, nil
		case bufio.ErrBufferFull:
		case io.EOF:
			return nil, errors.New("the stream has ended")
		default:
			return nil, err
		}
	}
}

// poller is a downlink: an answer after another, a page of objects each.
type poller struct {
	ack   uint64
	began bool
}

func (p *poller) accept() string { return "application/json" }

// page is the answer to a poll (docs/protocol.md §3.3).
type page struct {
	Poll     uint64            `json:"poll"`
	Messages []json.RawMessage `json:"messages"`
}

func (p *poller) receive(ctx context.Context, h *httpCarrier) ([]byte, error) {
	var answer *http.Response
	var err error
	if !p.began {
		answer, err = h.begin(ctx)
		p.began = true
	} else {
		answer, err = p.poll(h)
	}
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var got page
	if err := json.NewDecoder(io.LimitReader(answer.Body, objectBytesMax)).Decode(&got); err != nil {
		return nil, fmt.Errorf("the answer to a poll cannot be read: %w", err)
	}
	if got.Poll > 0 {
		p.ack = got.Poll
	}
	var message []byte
	for _, object := range got.Messages {
		message = append(append(message, object...), '\n')
	}
	return message, nil
}

func (p *poller) poll(h *httpCarrier) (*http.Response, error) {
	r, err := h.request(h.ctx, http.MethodGet, "ack="+strconv.FormatUint(p.ack, 10), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", p.accept())
	r.Header.Set("Prefer", "wait="+strconv.Itoa(pollSeconds))
	r.Header.Set(fieldSession, h.name)
	answer, err := h.http.Do(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = refusal(answer)
		answer.Body.Close()
	}
	return answer, explainUnreachable(h.client.url.Host, err)
}

// ReadProblem reads the problem that is the content of an answer (RFC 9457), and returns nil if there is none: then the content
// is as it was, unless it says to be one and is not.
func ReadProblem(r *http.Response) *Problem {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/problem+json" || r.Body == nil {
		return nil
	}
	p := new(Problem)
	if json.NewDecoder(io.LimitReader(r.Body, problemBytesMax)).Decode(p) != nil || p.Title == "" {
		return nil
	}
	return p
}

// retryAfter is what the field says in seconds, 0 if it does not.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
