package loadgen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/loadgen/internal/http1"
)

// requestOf are the bytes of a request over HTTP/1.1. The fields of header that
// come later replace those of the same name.
func requestOf(method, target string, body []byte, headers ...http.Header) ([]byte, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	r, err := http.NewRequest(method, target, content)
	if err != nil {
		return nil, invalid("%v", err)
	}
	for _, h := range headers {
		for name, values := range h {
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if password, has := r.URL.User.Password(); has && r.Header.Get("Authorization") == "" {
		r.SetBasicAuth(r.URL.User.Username(), password)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return nil, invalid("%v", err)
	}
	return b.Bytes(), nil
}

// userAgent is the User-Agent, unless the options have another.
var userAgent = http.Header{"User-Agent": {"godwit-bench"}}

// publication is a request with a payload in it.
type publication struct {
	bytes   []byte
	payload []byte // the part of bytes to write a payload to
}

// publication makes the request that publishes; each caller gets one of its own.
func (o *Options) publication(target string, p *payloads) (*publication, error) {
	payload := p.take(0, 0)
	defer p.give(payload)
	before, after := "", ""
	if o.Publishing.Body != "" {
		before, after, _ = strings.Cut(o.Publishing.Body, payloadMark)
	}
	body := append(append([]byte(before), *payload...), after...)
	contentType := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	b, err := requestOf(o.Publishing.Method, target, body, userAgent, contentType, o.Header, o.Publishing.Header)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(b, body) {
		return nil, invalid("a request with method %q has no content to publish", o.Publishing.Method)
	}
	at := len(b) - len(body) + len(before)
	return &publication{bytes: b, payload: b[at : at+len(*payload)]}, nil
}

// write makes it the publication with a payload.
func (q *publication) write(p *payloads, from int, number uint64) []byte {
	p.write(q.payload[len(p.marker):p.head()], from, number)
	return q.bytes
}

// httpDialer opens raw connections to the host of a URL.
type httpDialer struct {
	url     *url.URL
	address string
	tls     *tls.Config // nil: none
	timeout time.Duration
	local   []net.IP
	replace func(ctx context.Context, i int) (net.Conn, error)
}

func newHTTPDialer(target string, o *Options) (*httpDialer, error) {
	u, err := url.Parse(target)
	if err != nil { // which checkTarget would have found
		return nil, invalid("%.200q is not a URL", redact.Text(target))
	}
	d := &httpDialer{url: u, address: u.Host, timeout: o.HandshakeTimeout, local: o.localAddresses(target), replace: o.dialHTTP}
	if u.Port() == "" {
		d.address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		d.tls = &tls.Config{}
		if o.TLS != nil {
			d.tls = o.TLS.Clone()
		}
		if d.tls.ServerName == "" {
			d.tls.ServerName = u.Hostname()
		}
		d.tls.NextProtos = []string{"http/1.1"}
	}
	return d, nil
}

// dial opens connection i. The deadline of the connection is that of ctx.
func (d *httpDialer) dial(ctx context.Context, i int) (net.Conn, error) {
	if d.replace != nil {
		return d.replace(ctx, i)
	}
	from := net.Dialer{KeepAlive: -1}
	if len(d.local) > 0 {
		from.LocalAddr = &net.TCPAddr{IP: d.local[i%len(d.local)]}
	}
	conn, err := from.DialContext(ctx, "tcp", d.address)
	if err != nil || d.tls == nil {
		return conn, err
	}
	secure := tls.Client(conn, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// bound limits the use of a connection to the dialer's time, and ends it when ctx
// ends. The function that it returns ends that.
func (d *httpDialer) bound(ctx context.Context, conn net.Conn) (done func()) {
	_ = conn.SetDeadline(time.Now().Add(d.timeout))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		stop()
		_ = conn.SetDeadline(time.Time{})
	}
}

// statusError is an answer that is not what was asked for.
type statusError struct {
	status  int
	text    string // the reason, and where it redirects to
	content []byte // the beginning of it
}

func (e *statusError) Error() string {
	text := strings.TrimSpace(fmt.Sprintf("the server answered %d %s", e.status, e.text))
	if content := strings.Join(strings.Fields(string(e.content)), " "); content != "" {
		text += ": " + content
	}
	return text
}

// refusalOf returns nil if a response says that all is well. Its content is still
// to come, for add.
func refusalOf(p *http1.Response) *statusError {
	if p.Status >= 200 && p.Status < 300 {
		return nil
	}
	e := &statusError{status: p.Status, text: string(p.Reason)}
	if e.text == "" {
		e.text = http.StatusText(p.Status)
	}
	if len(p.Location) > 0 {
		e.text += fmt.Sprintf(" (to %.200q, which is not followed: give that URL)", redact.Text(string(p.Location)))
	}
	return e
}

// add adds a piece of the content, as far as it is wanted.
func (e *statusError) add(content []byte) {
	if e != nil {
		e.content = append(e.content, content[:min(len(content), exampleBytesMax-len(e.content))]...)
	}
}

// err is e as an error, nil if it is nil.
func (e *statusError) err() error {
	if e == nil {
		return nil
	}
	return e
}

// exchange reads a whole response from a connection. The error for any status but
// 2xx is a *statusError, and then the connection is good still, unless closes.
func exchange(conn io.Reader, r *http1.Reader, buffer []byte) (closes bool, err error) {
	var refused *statusError
	for {
		n, broken := conn.Read(buffer)
		for b := buffer[:n]; ; {
			kind, content, took, err := r.Next(b)
			b = b[took:]
			switch {
			case err != nil:
				return true, err
			case kind == http1.Head:
				refused = refusalOf(r.Response())
			case kind == http1.Content:
				refused.add(content)
			case kind == http1.End:
				return r.Response().Close || len(b) > 0, refused.err()
			}
			if kind == http1.More {
				break
			}
		}
		if broken == nil {
			continue
		}
		if errors.Is(broken, io.EOF) {
			if broken = r.Close(); broken == nil { // a response that ends with its connection
				return true, refused.err()
			}
		}
		return true, whyEnded(broken)
	}
}

// errPeerEnded is the end of a connection, or of a response, that should go on.
var errPeerEnded = errors.New("the server ended it")

// whyEnded says so if it was the server that ended a connection.
func whyEnded(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errPeerEnded
	}
	return err
}
