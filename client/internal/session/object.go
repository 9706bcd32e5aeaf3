package session

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Message is a publication.
type Message struct {
	Channel  string
	Position hub.Position
	Time     time.Time
	Kind     hub.Kind // of Data
	Data     []byte   // the text, the bytes, or the JSON as it was published; the receiver's own
	Event    string
	User     string // the publisher, "" if that is not known
	Key      string

	// Envelope is all of it as the server has sent it (docs/protocol.md §5.1), on one line.
	Envelope []byte
}

// Gap says which publications do not come.
type Gap struct {
	Channel  string       // or the pattern, if it is not known which channels
	From, To hub.Position // after From, up to and including To; zero if that is not known
	Reason   string       // clientproto.GapLost, and others that are no loss
	Count    int          // how many, 0 if that is not known
}

// Behind says that publications do not come at present, or that they come again. Nothing is lost by
// that. With another connection a subscription is not behind until it is said again, so it is over then.
type Behind struct {
	Channel string `json:"channel"` // or the pattern; "" for everything that the session follows
	Is      bool   `json:"is"`      // false: it is over, behind the missed publications
	Detail  string `json:"detail"`  // why, "" when it is over
}

// Members is a change of the members of a channel.
type Members struct {
	Channel           string
	Version, Previous uint64
	Count             int      // how many there are
	Joined, Left      []Member // both nil if too many have changed to be named
}

// Member is a session or, by user, a user.
type Member struct {
	ID        string          `json:"id,omitempty"`        // of a session
	Transport string          `json:"transport,omitempty"` // of a session
	Since     time.Time       `json:"since"`
	User      string          `json:"user,omitempty"`
	Info      json.RawMessage `json:"info,omitempty"`
	Sessions  int             `json:"sessions,omitempty"` // of a user
}

// object is any object that a server sends, less the fields that are not needed here.
type object struct {
	ID    uint64          `json:"id"`
	OK    json.RawMessage `json:"ok"`
	Error *Problem        `json:"error"`

	envelope

	Gap          *gapObject          `json:"gap"`
	Behind       *Behind             `json:"behind"`
	Message      json.RawMessage     `json:"message"`
	Join         *membersObject      `json:"join"`
	Leave        *membersObject      `json:"leave"`
	Presence     *membersObject      `json:"presence"`
	Vector       *vectorObject       `json:"vector"`
	Subscribed   *channelObject      `json:"subscribed"`
	Unsubscribed *channelObject      `json:"unsubscribed"`
	Call         *callObject         `json:"call"`
	CallOver     *callOverObject     `json:"call_over"`
	Unregistered *registrationObject `json:"unregistered"`
	Reconnect    *delayObject        `json:"reconnect"`
	Expiring     *delayObject        `json:"expiring"`
	End          *endObject          `json:"end"`
}

type envelope struct {
	Channel    string          `json:"channel"`
	Position   hub.Position    `json:"position"`
	Time       time.Time       `json:"time"`
	Event      string          `json:"event"`
	User       string          `json:"user"`
	Key        string          `json:"key"`
	Data       json.RawMessage `json:"data"`
	DataBase64 []byte          `json:"data_base64"`
}

type gapObject struct {
	Channel string       `json:"channel"`
	From    hub.Position `json:"from"`
	To      hub.Position `json:"to"`
	Reason  string       `json:"reason"`
	Count   int          `json:"count"`
}

func (g *gapObject) gap() *Gap {
	gap := Gap(*g)
	if gap.Reason == "" {
		gap.Reason = clientproto.GapLost
	}
	return &gap
}

type membersObject struct {
	Channel  string   `json:"channel"`
	Count    int      `json:"count"`
	Version  uint64   `json:"version"`
	Previous uint64   `json:"previous"`
	Members  []Member `json:"members"`
}

type vectorObject struct {
	Channel string `json:"channel"`
	Vector  string `json:"vector"`
}

type channelObject struct {
	Channel  string       `json:"channel"`
	Position hub.Position `json:"position"`
	Error    *Problem     `json:"error"`
}

type callObject struct {
	ID         uint64          `json:"id"`
	Method     string          `json:"method"`
	User       string          `json:"user"`
	Info       json.RawMessage `json:"info"`
	Session    string          `json:"session"`
	Trace      string          `json:"trace"`
	TimeoutMS  int64           `json:"timeout_ms"`
	Data       json.RawMessage `json:"data"`
	DataBase64 []byte          `json:"data_base64"`
}

type callOverObject struct {
	ID     uint64 `json:"id"`
	Reason string `json:"reason"`
}

type registrationObject struct {
	Method string   `json:"method"`
	Error  *Problem `json:"error"`
}

type delayObject struct {
	AfterMS int64 `json:"after_ms"`
}

type endObject struct {
	Code      uint16 `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"`
}

// message is what the envelope has in it.
func (e *envelope) message(whole []byte) (*Message, error) {
	m := &Message{Channel: e.Channel, Position: e.Position, Time: e.Time, Event: e.Event, User: e.User, Key: e.Key, Envelope: whole}
	var err error
	if m.Kind, m.Data, err = payload(e.Data, e.DataBase64); err != nil {
		return nil, err
	}
	return m, nil
}

// payload is what stands as data, or as data_base64.
func payload(data json.RawMessage, base64 []byte) (hub.Kind, []byte, error) {
	switch {
	case base64 != nil:
		return hub.Binary, base64, nil
	case len(data) > 0 && data[0] == '"':
		var text string
		err := json.Unmarshal(data, &text)
		return hub.Text, []byte(text), err
	}
	return hub.JSON, data, nil
}

// parseObject reads one line that a server has sent. Unknown fields are ignored.
func parseObject(line []byte) (*object, error) {
	o := new(object)
	if err := json.Unmarshal(line, o); err != nil {
		return nil, errors.New("this is no object of godwit.v1: is it a Godwit server?")
	}
	return o, nil
}

// Problem is an error that the server has answered a command with.
type Problem struct {
	Type         string          `json:"type"` // a URI; the server's are clientproto.ProblemBase and a name
	Title        string          `json:"title"`
	Detail       string          `json:"detail"`
	Data         json.RawMessage `json:"data,omitempty"`
	RetryAfterMS int64           `json:"retry_after_ms,omitempty"`
}

// Error is the title and the detail.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Title + ": " + p.Detail
}

// IsA reports whether p is of the type of a problem of the table.
func (p *Problem) IsA(of *clientproto.Problem) bool { return p.Type == of.Type() }

// passes reports whether the same command may succeed later, as the table of problems
// says: nothing about it was wrong.
func (p *Problem) passes() bool {
	for _, known := range clientproto.Problems() {
		if p.IsA(known) {
			return known.Status == 429 || known.Status >= 500 && known != clientproto.ProblemNotSupported
		}
	}
	return false
}

// ParseMessage reads the envelope of a publication, or of an answer.
func ParseMessage(object []byte) (*Message, error) {
	var e envelope
	if err := json.Unmarshal(object, &e); err != nil {
		return nil, err
	}
	return e.message(object)
}
