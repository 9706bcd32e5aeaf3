package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Message is one message of a client.
type Message struct {
	Event   string          `json:"event"`
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"` // nil if there is none
}

// ParseMessage reads a message of a client. The error is for the client.
func ParseMessage(b []byte) (Message, error) {
	var m Message
	if !utf8.Valid(b) {
		return Message{}, errors.New("the message is not UTF-8")
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return Message{}, errors.New(`a message is one JSON object such as {"event":"pusher:ping","data":{}}: ` + jsonProblem(err))
	}
	if m.Event == "" {
		return Message{}, errors.New(`the message has no event; a message is one JSON object such as {"event":"pusher:ping","data":{}}`)
	}
	return m, nil
}

// jsonProblem is what encoding/json says, without its prefix and its types.
func jsonProblem(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Sprintf("%s is of the wrong type: %s", wrong.Field, wrong.Value)
	case wrong != nil:
		return "it is of the wrong type: " + wrong.Value
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// object reads the data of an event of the protocol into v: an object, or a string that
// holds one.
func object(data json.RawMessage, v any) error {
	data = bytes.TrimSpace(data)
	if len(data) > 0 && data[0] == '"' {
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return errors.New("the data is not JSON: " + jsonProblem(err))
		}
		data = []byte(text)
	}
	if len(data) == 0 {
		return errors.New("the data is missing")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errors.New("the data cannot be read: " + jsonProblem(err))
	}
	return nil
}

// Subscribe is the data of pusher:subscribe.
type Subscribe struct {
	Channel     string  `json:"channel"`
	Auth        string  `json:"auth"`
	ChannelData *string `json:"channel_data"`

	// Last and Since are an extension: how many publications of the history come first,
	// or the position after which they begin. A client that sends one of them is shown
	// positions.
	Last  *int    `json:"last"`
	Since *string `json:"since"`
}

// ParseSubscribe reads the data of pusher:subscribe. The error is for the client.
func ParseSubscribe(data []byte) (Subscribe, error) {
	var s Subscribe
	if err := object(data, &s); err != nil {
		return Subscribe{}, err
	}
	if s.Last != nil && *s.Last < 0 {
		return Subscribe{}, errors.New("last is a number that is not negative")
	}
	return s, nil
}

// parseUnsubscribe reads the data of pusher:unsubscribe.
func parseUnsubscribe(data []byte) (channel string, err error) {
	var u struct {
		Channel string `json:"channel"`
	}
	err = object(data, &u)
	return u.Channel, err
}

// SignIn is the data of pusher:signin.
type SignIn struct {
	Auth     string `json:"auth"`
	UserData string `json:"user_data"`
}

// ParseSignIn reads the data of pusher:signin. The error is for the client.
func ParseSignIn(data []byte) (SignIn, error) {
	var s SignIn
	if err := object(data, &s); err != nil {
		return SignIn{}, err
	}
	return s, nil
}

// The limits of the data about a user.
const (
	UserIDMax        = 128     // characters
	UserInfoBytesMax = 1 << 10 // as JSON
	WatchlistMax     = 100
)

// Member is a client's user in a presence channel: the channel_data.
type Member struct {
	ID   string
	Info json.RawMessage // compact, nil for none
}

// ParseMember reads the channel_data of a presence channel. The error is for the client.
func ParseMember(data string) (Member, error) {
	var d struct {
		ID   json.RawMessage `json:"user_id"`
		Info json.RawMessage `json:"user_info"`
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return Member{}, errors.New("channel_data is no JSON object: " + jsonProblem(err))
	}
	id, err := parseID("user_id", d.ID)
	if err != nil {
		return Member{}, err
	}
	info, err := parseInfo(d.Info)
	if err != nil {
		return Member{}, err
	}
	return Member{id, info}, nil
}

// User is a user that signs in: the user_data.
type User struct {
	Member
	Watchlist []string // IDs of users
}

// ParseUser reads the user_data of a sign-in. The error is for the client.
func ParseUser(data string) (User, error) {
	var d struct {
		ID        json.RawMessage `json:"id"`
		Info      json.RawMessage `json:"user_info"`
		Watchlist []string        `json:"watchlist"`
	}
	if err := json.Unmarshal([]byte(data), &d); err != nil {
		return User{}, errors.New("user_data is no JSON object with an id: " + jsonProblem(err))
	}
	id, err := parseID("id", d.ID)
	if err != nil {
		return User{}, err
	}
	info, err := parseInfo(d.Info)
	if err != nil {
		return User{}, err
	}
	return User{Member{id, info}, d.Watchlist}, nil
}

// parseID reads the ID of a user, which may be a number and becomes a string.
func parseID(name string, raw json.RawMessage) (string, error) {
	var id string
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return "", fmt.Errorf("%s is missing", name)
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &id); err != nil {
			return "", fmt.Errorf("%s is no string: %s", name, jsonProblem(err))
		}
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		id = string(raw)
	default:
		return "", fmt.Errorf("%s is a string or a number", name)
	}
	switch n := utf8.RuneCountInString(id); {
	case n == 0:
		return "", fmt.Errorf("%s is empty", name)
	case n > UserIDMax:
		return "", fmt.Errorf("%s is %d characters long; at most %d are allowed", name, n, UserIDMax)
	}
	return id, nil
}

func parseInfo(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, errors.New("user_info is not JSON: " + jsonProblem(err))
	}
	if b.Len() > UserInfoBytesMax {
		return nil, fmt.Errorf("user_info is %d bytes long; at most %d are allowed", b.Len(), UserInfoBytesMax)
	}
	return b.Bytes(), nil
}
