package pusher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/internal/privateaddr"
	"github.com/godwit-io/godwit/internal/redact"
)

// The limits of one request, and the pauses between attempts.
const (
	batchEventsMax = 100
	batchBytesMax  = 256 << 10
	retryFirst     = time.Second
	retryLast      = time.Minute
	answerBytesMax = 16 << 10 // of the answer, which is read only to use the connection again
)

// senderKey is a URL of an app.
type senderKey struct{ app, url string }

// told is an event of a webhook that waits to be sent.
type told struct {
	at   time.Time
	text []byte
}

// sender sends the events of an app to one URL, in order. It has a goroutine while there
// is something to send.
type sender struct {
	t   *tellings
	key senderKey

	// Guarded by tellings.mu:
	queue     []told
	bytes     int
	isRunning bool
	lost      int           // since that was said in the log
	hurried   chan struct{} // closed when there is no time for another attempt
}

// tell queues an event for all URLs of an app that want it; t.mu is held.
func (t *tellings) tell(a *app.App, hook string, text []byte) {
	if t.isClosed {
		return
	}
	o := &t.server.o.Webhooks
	for i := range a.Webhooks {
		w := &a.Webhooks[i]
		if len(w.Events) > 0 && !slices.Contains(w.Events, hook) {
			continue
		}
		key := senderKey{a.ID, w.URL}
		s := t.senders[key]
		if s == nil {
			s = &sender{t: t, key: key, hurried: make(chan struct{})}
			t.senders[key] = s
		}
		if len(s.queue) >= o.EventsMax || len(s.queue) > 0 && s.bytes+len(text) > o.BytesMax {
			s.lost++
			continue
		}
		s.queue = append(s.queue, told{time.Now(), text})
		s.bytes += len(text)
		if !s.isRunning {
			s.isRunning = true
			t.sent.Go(s.sendLoop)
		}
	}
}

// hurry leaves each event one attempt; t.mu is held.
func (s *sender) hurry() { close(s.hurried) }

// sendLoop sends the queue, until it is empty.
func (s *sender) sendLoop() {
	client := s.t.server.webhookClient()
	defer client.CloseIdleConnections()
	for {
		batch, ok := s.next()
		if !ok {
			return
		}
		s.deliver(client, batch)
		s.done(len(batch))
	}
}

// next returns the content of the next request. ok is false if there is nothing: the
// goroutine ends.
func (s *sender) next() (batch []told, ok bool) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if s.lost > 0 {
		s.t.server.o.Logger.Warn("events of webhooks were lost: too many wait", "app", s.key.app, "url", redact.Text(s.key.url), "events", s.lost)
		s.lost = 0
	}
	if len(s.queue) == 0 {
		s.isRunning = false
		delete(s.t.senders, s.key)
		return nil, false
	}
	n, bytes := 0, 0
	for n < len(s.queue) && n < batchEventsMax && (n == 0 || bytes+len(s.queue[n].text) <= batchBytesMax) {
		bytes += len(s.queue[n].text)
		n++
	}
	return slices.Clone(s.queue[:n]), true
}

// done takes events that were sent, or given up, out of the queue.
func (s *sender) done(n int) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	for i := range n {
		s.bytes -= len(s.queue[i].text)
	}
	s.queue = append(s.queue[:0], s.queue[n:]...)
}

// deliver sends a batch until it is taken, or too old.
func (s *sender) deliver(client *http.Client, batch []told) {
	o := &s.t.server.o
	pause := min(retryFirst, o.Webhooks.Retry)
	for {
		err := s.post(client, batch)
		if err == nil {
			return
		}
		isOver := errors.Is(err, errGone) || time.Since(batch[0].at)+pause >= o.Webhooks.Retry
		if !isOver {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-s.hurried:
				isOver = true
			}
			timer.Stop()
		}
		if isOver {
			o.Logger.Warn("events of webhooks were given up", "app", s.key.app, "url", redact.Text(s.key.url), "events", len(batch), "error", err)
			return
		}
		pause = min(2*pause, retryLast)
	}
}

// errGone is why nothing is sent to an app, or a URL, that was removed.
var errGone = errors.New("the app, or its webhook, was removed")

// post sends a batch once.
func (s *sender) post(client *http.Client, batch []told) error {
	a := s.t.server.o.Apps.ByID(s.key.app)
	if a == nil || !slices.ContainsFunc(a.Webhooks, func(w app.Webhook) bool { return w.URL == s.key.url }) {
		return errGone
	}
	body := appendWebhook(nil, s.t.server.o.Now(), batch)
	ctx, cancel := context.WithTimeout(s.t.ctx, s.t.server.o.Webhooks.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.key.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL cannot be used") // the error may quote a password
	}
	r.Header.Set("Content-Type", "application/json") // libraries compare the whole value
	r.Header.Set("User-Agent", "Godwit")
	r.Header.Set("X-Pusher-Key", a.Key)
	r.Header.Set("X-Pusher-Signature", protocol.Sign(string(a.Secret), string(body)))
	response, err := client.Do(r)
	if err != nil {
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err // the URL may have secrets in it
		}
		return err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, answerBytesMax)
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the status of the answer is %d", response.StatusCode)
	}
	return nil
}

// appendWebhook appends the body of a webhook, which is signed as it is sent.
func appendWebhook(dst []byte, now time.Time, batch []told) []byte {
	dst = append(dst, `{"time_ms":`...)
	dst = strconv.AppendInt(dst, now.UnixMilli(), 10)
	dst = append(dst, `,"events":[`...)
	for i := range batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, batch[i].text...)
	}
	return append(dst, "]}"...)
}

// webhookClient makes a client for one sender: what hangs there holds up nobody else.
func (s *Server) webhookClient() *http.Client {
	o := &s.o.Webhooks
	dialer := &net.Dialer{Timeout: o.Timeout}
	if !o.AllowPrivate {
		dialer.ControlContext = privateaddr.Guard
	}
	// No Proxy: one in the environment would connect in our place, and check nothing.
	transport := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: o.Timeout, MaxConnsPerHost: 1,
		IdleConnTimeout: o.Timeout, MaxResponseHeaderBytes: answerBytesMax, DisableCompression: true,
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	sender := http.RoundTripper(transport)
	if o.Wrap != nil {
		sender = o.Wrap(transport)
	}
	return &http.Client{
		Transport:     sender,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
