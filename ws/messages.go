package ws

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/godwit-io/godwit/ws/driver"
)

// Message is a message as Messages yields it. It has the fields Type and Data; the
// data are the receiver's own.
type Message = driver.Message

// Messages returns the messages to come, for a range loop:
//
//	for message, err := range conn.Messages(ctx) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// It ends without an error when the peer closes in good order, with 1000 or 1001;
// any other end is the error of a last turn, whose message is empty: a loop that
// leaves the error out takes it for a message. The end of ctx leaves the
// connection usable, as with Read.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			typ, data, err := c.Read(ctx)
			if err != nil {
				if code := CloseStatus(err); code != StatusNormal && code != StatusGoingAway {
					yield(Message{}, err)
				}
				return
			}
			if !yield(Message{Type: typ, Data: data}, nil) {
				return
			}
		}
	}
}

// ReadJSON reads the next message and decodes it into v, as json.Unmarshal does.
// A message that cannot be decoded is an error and nothing else: the connection
// goes on.
func (c *Conn) ReadJSON(ctx context.Context, v any) error {
	_, data, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("websocket: message is not the JSON that was expected: %w", err)
	}
	return nil
}

// WriteJSON sends v as a text message of JSON. It returns an error of
// json.Marshal, with nothing sent, or what Write returns.
func (c *Conn) WriteJSON(ctx context.Context, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("websocket: cannot encode: %w", err)
	}
	return c.Write(ctx, MessageText, data)
}
