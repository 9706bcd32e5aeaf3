package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/ws"
)

// sessionSubprotocol is the subprotocol of sessions, and by Options.Subprotocols says that
// the clients of a storm have them.
const sessionSubprotocol = "godwit.v1"

// sessionCarrier has sessions of godwit.v1, each subscribed to the channel: it connects,
// subscribes behind its position in the same message, and comes back as docs/protocol.md
// §6.6 says. It never resumes a session, as those of a server that was killed are gone.
type sessionCarrier struct {
	dialer  *dialer // to /connect
	channel string
	random  func() float64
}

const (
	sessionPause    = time.Second // of a client that was not told
	sessionPauseMax = time.Minute
)

// newSessionCarrier returns the carrier for the channel at target.
func newSessionCarrier(target string, o *Options, random func() float64) (*sessionCarrier, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err // which checkTarget would have found
	}
	before, name, isChannel := strings.Cut(u.Path, "/channels/")
	if !isChannel || name == "" {
		return nil, invalid("%.200q is no channel, which sessions could subscribe to; write for example ws://127.0.0.1:8000/channels/bench", redact.Text(target))
	}
	u.Path, u.RawPath = before+"/connect", ""
	return &sessionCarrier{dialer: newDialer(u.String(), o), channel: name, random: random}, nil
}

func (c *sessionCarrier) pause(n int, told time.Duration) time.Duration {
	if told == 0 {
		told = sessionPause
	}
	if n == 0 {
		return told
	}
	most := min(told<<min(n, 10), sessionPauseMax)
	return most/2 + time.Duration(c.random()*float64(most/2))
}

func (c *sessionCarrier) follow(ctx context.Context, i int, position string) (follower, error) {
	d := *c.dialer
	o := d.options
	o.NetDial = d.from(i).DialContext
	ctx, cancel := context.WithTimeout(ctx, o.HandshakeTimeout)
	defer cancel()
	conn, response, err := ws.Dial(ctx, d.url, &o)
	if err != nil {
		return nil, c.refused(response, err)
	}
	f := &sessionFollower{conn: conn}
	if err := f.begin(ctx, c.channel, position); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// refused is what became of a handshake that failed.
func (c *sessionCarrier) refused(response *http.Response, err error) error {
	if response != nil {
		if after, ok := parseRetryAfter(response.Header.Get("Retry-After")); ok {
			return &sentAway{after + time.Duration(c.random()*float64(time.Second)), err}
		}
	}
	return err
}

// sessionFollower is one of its sessions.
type sessionFollower struct {
	conn    *ws.Conn
	told    time.Duration
	unread  []byte // lines of the last message
	subject *heard // where the subscription begins, until that was heard
}

// pushed is an object of the server's, with what matters here.
type pushed struct {
	ID int
	OK *struct {
		Reconnect sessionDelay
		Position  string
	}
	Error *struct {
		Title, Detail string
		RetryAfterMS  int64 `json:"retry_after_ms"`
	}
	Channel  string
	Position string
	Data     json.RawMessage
	Gap      *struct{ To string }

	Reconnect *sessionDelay
}

type sessionDelay struct {
	AfterMS int64 `json:"after_ms"`
}

// begin connects and subscribes, and returns when both have succeeded.
func (f *sessionFollower) begin(ctx context.Context, channel, position string) error {
	subscribe := map[string]string{"channel": channel}
	if position != "" {
		subscribe["since"] = position
	}
	line, err := json.Marshal(map[string]any{"id": 2, "subscribe": subscribe})
	if err != nil {
		return err
	}
	if err := f.conn.Write(ctx, ws.MessageText, append([]byte("{\"id\":1,\"connect\":{}}\n"), line...)); err != nil {
		return err
	}
	for {
		o, err := f.take(ctx)
		switch {
		case err != nil:
			return err
		case o.Error != nil:
			refused := fmt.Errorf("the server answered command %d with %q: %s", o.ID, o.Error.Title, o.Error.Detail)
			if after := time.Duration(o.Error.RetryAfterMS) * time.Millisecond; after > 0 {
				return &sentAway{after, refused}
			}
			return refused
		case o.ID == 2 && o.OK != nil:
			f.subject = &heard{position: o.OK.Position}
			return nil
		}
	}
}

// take reads the next object, and notes what the server says of coming back.
func (f *sessionFollower) take(ctx context.Context) (o pushed, err error) {
	for len(bytes.TrimSpace(f.unread)) == 0 {
		if _, f.unread, err = f.conn.Read(ctx); err != nil {
			return o, err
		}
	}
	line, rest, _ := bytes.Cut(bytes.TrimLeft(f.unread, "\n"), []byte("\n"))
	f.unread = rest
	if err := json.Unmarshal(line, &o); err != nil {
		return o, fmt.Errorf("the server sent %.100q, which is no object of godwit.v1", line)
	}
	if o.Reconnect != nil {
		f.told = time.Duration(o.Reconnect.AfterMS) * time.Millisecond
	} else if o.OK != nil && o.OK.Reconnect.AfterMS > 0 {
		f.told = time.Duration(o.OK.Reconnect.AfterMS) * time.Millisecond
	}
	return o, nil
}

func (f *sessionFollower) next() (heard, error) {
	if f.subject != nil {
		h := *f.subject
		f.subject = nil
		return h, nil
	}
	for {
		o, err := f.take(context.Background())
		switch {
		case err != nil:
			return heard{}, err
		case o.Gap != nil:
			return heard{isGap: true, position: o.Gap.To}, nil
		case o.Channel != "":
			h := heard{position: o.Position}
			if json.Unmarshal(o.Data, &h.text) != nil {
				h.text = "" // of somebody else: not a text
			}
			return h, nil
		case o.Reconnect != nil:
			return heard{}, nil // the caller asks what the server has said
		}
	}
}

func (f *sessionFollower) retry() time.Duration { return f.told }

func (f *sessionFollower) close() { reset(f.conn) }
