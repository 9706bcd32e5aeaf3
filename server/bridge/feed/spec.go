package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/godwit-io/godwit/internal/jsonpointer"
)

// Spec says what a bridge sends to its upstream and what it makes of what comes. It is not modified once a Machine has it.
type Spec struct {
	Name string // in publications about gaps

	// First are messages that are sent in turn when there is a connection. A message that is a request of
	// JSON-RPC, see Request, has to be answered without an error before the next one is sent.
	First []Request

	Subscriptions []Subscription

	// Failures are conditions of which one means that the upstream has refused something.
	Failures []Filter

	AnswerTimeout time.Duration // after which a request that was not answered has failed; positive
	RetryMin      time.Duration // after which a subscription that was refused is asked for again; positive
	RetryMax      time.Duration // to which that doubles

	Ping     []byte        // a message that is sent every PingInterval, nil for none
	PingEach time.Duration // positive if there is a Ping

	ChannelsMax int // channels that the messages may name; positive
}

// DefaultChannelsMax is the default of Spec.ChannelsMax, for the maker of a Spec.
const DefaultChannelsMax = 10_000

// Subscription is a kind of messages, and where they are published. The first that takes a message has it.
type Subscription struct {
	// Send asks the upstream for the messages. The zero Request is for those that come by themselves.
	// The result of a request of JSON-RPC, if it is a string or a number, is what the messages have at
	// /params/subscription.
	Send Request

	Match  []Filter // all of which a message has to meet
	Ignore []Filter // of which it may meet none

	Channel Channel
	Data    jsonpointer.Pointer // what of the message is published; the zero Pointer is all of it

	// Event and Key are attributes of the publication. An attribute that a message does not give is left out.
	Event, Key Template

	// ID tells messages apart: of those with the same one only the first is published in a channel, as
	// long as the broker remembers. A message of which it cannot be made is published anyway.
	ID Template
}

// Request is a message to the upstream. The zero Request is none.
type Request struct {
	text []byte
	id   string // of a request of JSON-RPC, as it is written; "" if no answer is to be waited for
}

// ParseRequest parses a message, which is JSON. If it says "jsonrpc" and has an ID, it is a request that the
// upstream answers. The error completes a sentence that begins with "it".
func ParseRequest(text string) (Request, error) {
	b := []byte(text)
	if !json.Valid(b) {
		return Request{}, errors.New(`is not JSON; write for example '{"op":"subscribe","channel":"trades"}'`)
	}
	r := Request{text: b}
	if _, isRPC := pointerRPC.Find(b); !isRPC {
		return r, nil
	}
	id, ok := pointerID.Find(b)
	switch {
	case !ok || string(id) == "null":
		return r, nil // a notification
	case !isScalar(id) || len(id) > idBytesMax:
		return Request{}, fmt.Errorf("has an id that is no number and no text of at most %d bytes", idBytesMax)
	}
	r.id = string(id)
	return r, nil
}

// idBytesMax is the longest ID of a request.
const idBytesMax = 64

// IsZero reports whether there is no message.
func (r Request) IsZero() bool { return r.text == nil }

// ID is that of a request that is answered, as it is written in JSON; "" for none.
func (r Request) ID() string { return r.id }

// Where JSON-RPC 2.0 has what a request and an answer consist of, and where the node software of several
// chains has which subscription a message belongs to.
var (
	pointerRPC          = mustPointer("/jsonrpc")
	pointerID           = mustPointer("/id")
	pointerResult       = mustPointer("/result")
	pointerError        = mustPointer("/error")
	pointerSubscription = mustPointer("/params/subscription")
)

func mustPointer(s string) jsonpointer.Pointer {
	p, err := jsonpointer.Parse(s)
	if err != nil {
		panic(err)
	}
	return p
}
