//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/ws"
)

// overSocket is a session over WebSocket.
func (s *session) overSocket(ctx context.Context, n *clustertest.Node) error {
	conn, _, err := ws.Dial(ctx, "ws://"+n.Address()+"/connect", &ws.DialOptions{
		Options:      ws.Options{PingInterval: silence / 2, PingTimeout: silence / 2, MessageBytesMax: 8 << 20},
		Subprotocols: []string{"godwit.v1"}, HandshakeTimeout: silence,
	})
	if err != nil {
		s.w.failures.Add(1)
		return err
	}
	defer conn.CloseNow() // without a close frame, or the session would end (§6.7)
	if err := conn.Write(ctx, ws.MessageText, s.hello()); err != nil {
		return err
	}
	if err := s.isUp(func(b []byte) error { return conn.Write(ctx, ws.MessageText, b) }); err != nil {
		return err
	}
	for {
		_, message, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if err := s.hearLines(message); err != nil {
			return err
		}
	}
}

func (s *session) hearLines(b []byte) error {
	for line := range bytes.Lines(b) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var o object
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("%w: %.200q: %w", errWrong, line, err)
		}
		if err := s.hear(&o); err != nil {
			return err
		}
	}
	return nil
}

// overStream is a session over an event stream or JSON lines.
func (s *session) overStream(accept string) func(context.Context, *clustertest.Node) error {
	return func(ctx context.Context, n *clustertest.Node) error {
		request, err := s.post(ctx, n, s.hello(), accept)
		if err != nil {
			return err
		}
		l, _, err := s.open(ctx, request)
		if err != nil {
			return err
		}
		defer l.close()
		for {
			line, err := l.next()
			if err != nil {
				return err
			}
			if accept == "text/event-stream" {
				if line, _ = strings.CutPrefix(line, "data: "); !strings.HasPrefix(line, "{") {
					continue
				}
			}
			before := s.id
			if err := s.hearLines([]byte(line)); err != nil {
				return err
			}
			if s.id != before || s.id != "" && s.isDown() {
				if err := s.isUp(s.upBy(ctx)); err != nil {
					return err
				}
			}
		}
	}
}

func (s *session) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up == nil
}

func (s *session) post(ctx context.Context, n *clustertest.Node, body []byte, accept string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL()+"/connect", bytes.NewReader(body))
	if err == nil {
		request.Header.Set("Accept", accept)
		request.GetBody = nil
	}
	return request, err
}

// upBy is how commands reach a session that has no connection for them (§3.4): by any node, as behind
// a balancer.
func (s *session) upBy(ctx context.Context) func([]byte) error {
	token := s.id + "." + s.secret
	return func(b []byte) error {
		ctx, cancel := context.WithTimeout(ctx, silence)
		defer cancel()
		for {
			request, err := s.post(ctx, s.w.nodes[rand.IntN(len(s.w.nodes))], b, "*/*")
			if err != nil {
				return err
			}
			request.Header.Set("Godwit-Session", token)
			response, err := s.w.http.Do(request)
			if err != nil {
				return err
			}
			text, err := io.ReadAll(response.Body)
			response.Body.Close()
			switch {
			case err != nil:
				return err
			case response.StatusCode == http.StatusAccepted:
				return nil
			case response.StatusCode == http.StatusTooManyRequests:
				if !wait(ctx, nil, 100*time.Millisecond, 0) {
					return ctx.Err()
				}
			default:
				return fmt.Errorf("%s: %s", response.Status, text)
			}
		}
	}
}

// overPolls is a session by long polling.
func (s *session) overPolls(ctx context.Context, n *clustertest.Node) error {
	asking, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	request, err := s.post(asking, n, s.hello(), "application/json")
	if err != nil {
		return err
	}
	p, err := s.askPage(request, "")
	for err == nil {
		for i := range p.Messages {
			if err := s.hear(&p.Messages[i]); err != nil {
				return err
			}
		}
		if s.id == "" {
			return fmt.Errorf("%w: a page without the reply to connect: %v", errEnded, p.Messages)
		}
		if s.isDown() {
			if err := s.isUp(s.upBy(ctx)); err != nil {
				return err
			}
		}
		if s.random.IntN(2) == 0 { // as behind a balancer
			n = s.w.node(s.random)
		}
		query := url.Values{"ack": {fmt.Sprint(p.Poll)}}
		p, err = s.page(ctx, n, "/connect?"+query.Encode(), s.id+"."+s.secret, 2)
	}
	return err
}
