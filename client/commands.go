package client

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Data is a payload: text, JSON or bytes.
type Data struct {
	Kind  hub.Kind
	Bytes []byte
}

// Text is a payload of text, which has to be UTF-8.
func Text(s string) Data { return Data{hub.Text, []byte(s)} }

// Binary is a payload of bytes, which the caller must not modify until the call that is given it
// has returned.
func Binary(b []byte) Data { return Data{hub.Binary, b} }

// JSON is a payload of the JSON of v. It panics for what cannot be JSON, as a
// channel or a function.
func JSON(v any) Data {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("client: JSON: %v", err))
	}
	return Data{hub.JSON, b}
}

// check returns an error that wraps ErrOptions if d is not what its Kind says.
func (d *Data) check() error {
	switch {
	case d.Kind == hub.Text && !utf8.Valid(d.Bytes):
		return fmt.Errorf("%w: text has to be UTF-8; use Binary for other bytes", ErrOptions)
	case d.Kind == hub.JSON && d.Bytes != nil && (!json.Valid(d.Bytes) || !utf8.Valid(d.Bytes)):
		return fmt.Errorf("%w: data of the kind JSON is not one JSON value in UTF-8", ErrOptions)
	case d.Kind > hub.JSON:
		return fmt.Errorf("%w: there is no kind %d of data", ErrOptions, d.Kind)
	}
	return nil
}

// PublishOptions are for Publish. Nil and the zero value have none of it.
type PublishOptions struct {
	Event string // at most 255 bytes
	Key   string // what replaces what, at most 255 bytes

	// Exclude is the ID of a session that is not given the publication, as that of the Call that has led to it,
	// "" for none.
	Exclude string

	// IdempotencyKey is what the server knows this publication again by: it publishes a key
	// once in a channel, within 5 minutes by default. At most 255 bytes of printable ASCII.
	// Default: a random one, with which the Client itself publishes nothing twice.
	IdempotencyKey string
}

// Published is where a publication is.
type Published struct {
	Position  hub.Position
	Duplicate bool // its idempotency key had been seen: this is where the first one is
}

// Publish publishes in a channel, and waits until the server has accepted it. While the Client
// is not connected the publication waits, in order with the others in the channel, and is
// published once. When ctx is done the publication may still have been sent and accepted; one
// that was not sent never will be. It returns a *Problem, ErrTooMany, the
// error of ctx, or the reason why the Client has ended.
func (c *Client) Publish(ctx context.Context, channel string, d Data, o *PublishOptions) (Published, error) {
	if err := ctx.Err(); err != nil {
		return Published{}, err
	}
	wait, err := c.BeginPublish(channel, d, o)
	if err != nil {
		return Published{}, err
	}
	return wait(ctx)
}

// BeginPublish is Publish without waiting: the publications that one goroutine begins in a channel are published
// in that order, while up to 64 publications are on their way. d must not be modified until the outcome is there.
// wait returns the outcome; a publication that was not sent when its ctx is done never will be. The error is for
// data that is not of its Kind: then nothing was begun.
//
// A server may refuse one of several that are on their way, and accept those behind it.
func (c *Client) BeginPublish(channel string, d Data, o *PublishOptions) (wait func(context.Context) (Published, error), err error) {
	if o == nil {
		o = new(PublishOptions)
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	command := clientproto.Command{Verb: clientproto.Publish, Channel: channel, Kind: d.Kind, Data: d.Bytes, Event: o.Event, Key: o.Key, Exclude: o.Exclude, Idempotency: o.IdempotencyKey}
	if command.Idempotency == "" {
		command.Idempotency = rand.Text()
	}
	begun := c.begin(command)
	return func(ctx context.Context) (Published, error) {
		var ok struct {
			Position  hub.Position `json:"position"`
			Duplicate bool         `json:"duplicate"`
		}
		err := c.outcome(ctx, begun, &ok)
		return Published{ok.Position, ok.Duplicate}, err
	}, nil
}

// HistoryQuery selects a part of a channel's history.
type HistoryQuery struct {
	Since hub.Position // what came after it; the zero Position: from the oldest that is held
	Last  int          // instead: the newest so many
	Limit int          // of a page, at most 256, which is the default
}

// History is a page of a channel's history, the oldest publication first.
type History struct {
	Messages []*Message
	Position hub.Position // the Since of the next page, or of a subscription
	Gap      *Gap         // set if something after Since is not held any more
}

// History reads a page of a channel's history. It returns a *Problem and others as Publish.
func (c *Client) History(ctx context.Context, channel string, q HistoryQuery) (*History, error) {
	var ok struct {
		Publications []json.RawMessage `json:"publications"`
		Position     hub.Position      `json:"position"`
		Gap          *Gap              `json:"gap"`
	}
	err := c.ask(ctx, clientproto.Command{Verb: clientproto.History, Channel: channel, Since: q.Since, Last: q.Last, Limit: q.Limit}, &ok)
	if err != nil {
		return nil, err
	}
	page := &History{Position: ok.Position, Gap: ok.Gap}
	if page.Gap != nil {
		page.Gap.Channel = channel
		if page.Gap.Reason == "" {
			page.Gap.Reason = clientproto.GapLost
		}
	}
	for _, p := range ok.Publications {
		m, err := parseMessage(p)
		if err != nil {
			return nil, err
		}
		m.Channel = channel
		page.Messages = append(page.Messages, m)
	}
	return page, nil
}

// PresenceQuery selects members of a channel.
type PresenceQuery struct {
	ByUser    bool   // users, each with how many sessions it has
	CountOnly bool   // no members
	Limit     int    // of a page, at most 1000. Default 100
	Cursor    string // of the page before
}

// Roster is a page of the members of a channel.
type Roster struct {
	Members []Member `json:"members"`
	Count   int      `json:"count"` // how many sessions there are
	Users   int      `json:"users"` // how many users, if it is by user
	Cursor  string   `json:"cursor"`
	Version uint64   `json:"version"` // see Members; 0 if no session watches the channel
}

// Presence reads a page of the members of a channel. It returns a *Problem and others as Publish.
func (c *Client) Presence(ctx context.Context, channel string, q PresenceQuery) (*Roster, error) {
	r := new(Roster)
	err := c.ask(ctx, clientproto.Command{Verb: clientproto.Presence, Channel: channel, ByUser: q.ByUser, CountOnly: q.CountOnly, Limit: q.Limit, Cursor: q.Cursor}, r)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Members returns an iterator over all members of a channel, page by page: q.Limit and q.Cursor are for the first page, and q.CountOnly is of no use
// here. Members that come and go meanwhile may be there or not. It may end with an error of Presence.
func (c *Client) Members(ctx context.Context, channel string, q PresenceQuery) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		q := q
		for {
			page, err := c.Presence(ctx, channel, q)
			if err != nil {
				yield(Member{}, err)
				return
			}
			for _, m := range page.Members {
				if !yield(m, nil) {
					return
				}
			}
			if q.Cursor = page.Cursor; q.Cursor == "" {
				return
			}
		}
	}
}

// UserChannel returns the channel of a user: its publications come to Client.Messages of each of the user's clients. Publishing
// there needs a grant. It returns an error if user is empty, or too long for the name of a channel.
func UserChannel(user string) (string, error) { return access.UserChannel(user) }

// RPC calls a method, and waits for the answer as long as ctx allows: the application or a session
// that has registered for it answers. The answerer's error is a *Problem with a Type of its own. It returns
// ErrUnknown, a *Problem and others as Publish.
func (c *Client) RPC(ctx context.Context, method string, d Data) (Data, error) {
	if err := d.check(); err != nil {
		return Data{}, err
	}
	command := clientproto.Command{Verb: clientproto.RPC, Method: method, Kind: d.Kind, Data: d.Bytes}
	if deadline, ok := ctx.Deadline(); ok {
		command.Timeout = max(time.Until(deadline), time.Millisecond)
	}
	var ok json.RawMessage
	if err := c.ask(ctx, command, &ok); err != nil {
		return Data{}, err
	}
	m, err := parseMessage(ok)
	if err != nil {
		return Data{}, err
	}
	return Data{m.Kind, m.Data}, nil
}

func parseMessage(object []byte) (*Message, error) {
	m, err := session.ParseMessage(object)
	if err != nil {
		return nil, errors.Join(errors.New("client: the server's answer cannot be read"), err)
	}
	return m, nil
}
