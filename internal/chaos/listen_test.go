//go:build linux

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/ws"
)

// socket follows a channel, or a pattern, by WebSocket.
func (c *client) socket(target string) func(context.Context, *clustertest.Node) error {
	return func(ctx context.Context, n *clustertest.Node) error {
		if c.patterns[target] == nil && c.since(target) == "" {
			if _, err := c.firstPosition(ctx, n, target); err != nil {
				return err
			}
		}
		query := url.Values{"envelope": {"1"}}
		if since := c.since(target); since != "" {
			query.Set("since", since)
		}
		conn, _, err := ws.Dial(ctx, "ws://"+n.Address()+"/channels/"+target+"?"+query.Encode(), &ws.DialOptions{
			Options: ws.Options{PingInterval: silence / 2, PingTimeout: silence / 2}, HandshakeTimeout: silence,
		})
		if err != nil {
			c.w.failures.Add(1)
			return err
		}
		defer conn.CloseNow()
		for {
			_, message, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			if err := c.takeJSON(message, target); err != nil {
				return err
			}
		}
	}
}

// firstPosition asks where a channel is now.
func (c *client) firstPosition(ctx context.Context, n *clustertest.Node, channel string) (string, error) {
	p, err := c.page(ctx, n, "/channels/"+channel+"?last=0", "", 0)
	if err != nil {
		return "", err
	}
	return p.Position, c.begin(channel, p.Position)
}

func (c *client) takeJSON(message []byte, target string) error {
	var o object
	if err := json.Unmarshal(message, &o); err != nil {
		return fmt.Errorf("%w: %.200q: %w", errWrong, message, err)
	}
	return c.take(&o, target)
}

// open makes a request whose answer is read line by line. Reading fails when nothing came
// for too long.
func (c *client) open(ctx context.Context, request *http.Request) (*lines, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	response, err := c.w.http.Do(request.WithContext(ctx))
	if err != nil {
		cancel(nil)
		c.w.failures.Add(1)
		return nil, nil, err
	}
	l := &lines{body: response.Body, reader: bufio.NewReader(response.Body), cancel: cancel}
	l.timer = time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %v", silence)) })
	l.ctx = ctx
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(l.reader, 1000)) // for people only
		l.close()
		c.w.failures.Add(1)
		return nil, nil, statusError(response, text)
	}
	return l, response, nil
}

// statusError is what a status means to somebody who will try again. A status that says never to
// come back is wrong whatever has happened.
func statusError(response *http.Response, text []byte) error {
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("%s: %.200q", response.Status, text)
	}
	return fmt.Errorf("%w: %s %s: %.300q", errWrong, response.Request.URL.Path, response.Status, text)
}

type lines struct {
	body   io.ReadCloser
	reader *bufio.Reader
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (l *lines) next() (string, error) {
	line, err := l.reader.ReadString('\n')
	l.timer.Reset(silence)
	if err != nil {
		if cause := context.Cause(l.ctx); cause != nil {
			err = cause
		}
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func (l *lines) close() {
	l.timer.Stop()
	l.cancel(nil)
	l.body.Close()
}

// stream is a GET of a channel or a pattern.
func (c *client) stream(n *clustertest.Node, target, accept string) (*http.Request, error) {
	request, err := http.NewRequest(http.MethodGet, n.URL()+"/channels/"+target, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	if since := c.since(target); since != "" {
		if accept == "text/event-stream" {
			request.Header.Set("Last-Event-ID", since)
		} else {
			request.URL.RawQuery = url.Values{"since": {since}}.Encode()
		}
	}
	return request, nil
}

// ndjson follows a channel, or a pattern, by JSON lines.
func (c *client) ndjson(target string) func(context.Context, *clustertest.Node) error {
	return func(ctx context.Context, n *clustertest.Node) error {
		request, err := c.stream(n, target, "application/x-ndjson")
		if err != nil {
			return err
		}
		l, response, err := c.open(ctx, request)
		if err != nil {
			return err
		}
		defer l.close()
		if c.patterns[target] == nil {
			if err := c.begin(target, response.Header.Get("Godwit-Position")); err != nil {
				return err
			}
		}
		for {
			line, err := l.next()
			if err != nil {
				return err
			}
			if err := c.takeJSON([]byte(line), target); err != nil {
				return err
			}
		}
	}
}

// events follows a channel, or a pattern, by an event stream.
func (c *client) events(target string) func(context.Context, *clustertest.Node) error {
	return func(ctx context.Context, n *clustertest.Node) error {
		request, err := c.stream(n, target, "text/event-stream")
		if err != nil {
			return err
		}
		l, _, err := c.open(ctx, request)
		if err != nil {
			return err
		}
		defer l.close()
		for {
			e, err := nextEvent(l)
			if err == nil {
				err = c.event(e, target)
			}
			if err != nil {
				return err
			}
		}
	}
}

// event is one of an event stream.
type event struct{ id, name, data string }

func nextEvent(l *lines) (e event, err error) {
	for {
		line, err := l.next()
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && e != event{}:
			return e, nil
		case name == "id":
			e.id = value
		case name == "event":
			e.name = value
		case name == "data":
			e.data += value
		}
	}
}

func (c *client) event(e event, target string) error {
	p := c.patterns[target]
	switch e.name {
	case "position":
		if p == nil {
			return c.begin(target, e.id)
		}
	case "gap":
		var g gap
		if err := json.Unmarshal([]byte(e.data), &g); err != nil {
			return fmt.Errorf("%w: %q: %w", errWrong, e.data, err)
		}
		if g.Channel == "" {
			g.Channel = target
		}
		if err := c.gap(g.Channel, &g); err != nil {
			return err
		}
	case "behind": // for people: the missing publications follow
		c.w.count("behind " + e.data)
	case "end":
		c.w.count("end of an event stream " + e.data)
		return fmt.Errorf("%w: %s", errEnded, e.data)
	case "":
		switch {
		case e.data == "": // only how long to wait
		case p != nil:
			if err := c.takeJSON([]byte(e.data), target); err != nil {
				return err
			}
		default:
			if err := c.given(target, e.id, e.data); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: event %q", errWrong, e.name)
	}
	if p != nil && e.id != "" {
		c.isAt(p, e.id)
	}
	return nil
}

// polls follows a channel by long polling, each poll at any node.
func (c *client) polls(target string) func(context.Context, *clustertest.Node) error {
	return func(ctx context.Context, n *clustertest.Node) error {
		if c.since(target) == "" {
			if _, err := c.firstPosition(ctx, n, target); err != nil {
				return err
			}
		}
		for {
			p, err := c.page(ctx, n, "/channels/"+target+"?since="+url.QueryEscape(c.since(target)), "", 2)
			if err != nil {
				return err
			}
			if err := c.takePage(p, target); err != nil {
				return err
			}
			n = c.w.node(c.random)
		}
	}
}

func (c *client) takePage(p *page, target string) error {
	at, err := positionOrNone(p.Position)
	if err != nil || at.IsZero() {
		return fmt.Errorf("%w: a page whose position is %q", errWrong, p.Position)
	}
	if p.Gap { // up to the first that is there, or else to where the page is
		c.w.count("gap: lost")
		c.note("a page with a gap from %v to %v, with %d publications", c.newest[target], at, len(p.Publications))
		c.records[target].Gap(c.newest[target], positionBefore(p), time.Now())
		c.newest[target] = at
	}
	for i := range p.Publications {
		if err := c.take(&p.Publications[i], target); err != nil {
			return err
		}
	}
	if at != c.newest[target] {
		c.records[target].Moved(at)
		c.newest[target] = at
	}
	return nil
}

// positionBefore is where the gap of a page ends, the zero Position if only its first
// publication says so.
func positionBefore(p *page) hub.Position {
	if len(p.Publications) > 0 {
		return hub.Position{}
	}
	at, _ := positionOrNone(p.Position) // it was looked at before
	return at
}

// page asks for one page, with a wait in seconds.
func (c *client) page(ctx context.Context, n *clustertest.Node, path, session string, seconds int) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, silence+time.Duration(seconds)*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+path, nil)
	if err != nil {
		return nil, err
	}
	if seconds > 0 {
		request.Header.Set("Prefer", fmt.Sprint("wait=", seconds))
	}
	return c.askPage(request, session)
}

func (c *client) askPage(request *http.Request, session string) (*page, error) {
	request.Header.Set("Accept", "application/json")
	if session != "" {
		request.Header.Set("Godwit-Session", session)
	}
	response, err := c.w.http.Do(request)
	if err != nil {
		c.w.failures.Add(1)
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		c.w.failures.Add(1)
		if session != "" && response.StatusCode == http.StatusNotFound {
			return nil, errNoSession
		}
		return nil, statusError(response, body)
	}
	var p page
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, fmt.Errorf("%w: %.200q: %w", errWrong, body, err)
	}
	return &p, nil
}
