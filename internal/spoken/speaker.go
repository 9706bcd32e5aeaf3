package spoken

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/clientproto"
)

// waitingMax is how many commands without a reply are remembered for their round
// trip.
const waitingMax = 1000

// Speaker is one side of a connection: it gives commands their ids, and knows what a
// reply belongs to. The zero value is ready for a new connection. It is not safe for
// concurrent use.
type Speaker struct {
	// Client is the name of the program, for the connect that goes before the first
	// command in words if that is none. Default: none goes.
	Client string

	lastID    uint64
	connected bool // connect was sent
	waiting   map[uint64]sent
}

type sent struct {
	what string
	at   time.Time
}

// Connect is the command that opens the session, nil if it was sent.
func (s *Speaker) Connect(now time.Time) []byte {
	if s.connected {
		return nil
	}
	c := clientproto.Command{ID: s.lastID + 1, Verb: clientproto.Connect, Client: s.Client}
	s.note(now, c.ID, c.Verb.String())
	return clientproto.AppendCommand(nil, &c)
}

// Speak makes the messages that text stands for: commands in words, one a line, or in
// JSON, which goes as it is. An error says what was not understood, and then nothing
// of text is to be sent.
func (s *Speaker) Speak(now time.Time, text string) (messages [][]byte, err error) {
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") {
		s.overhear(now, trimmed)
		return [][]byte{[]byte(text)}, nil
	}
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
	if len(lines) == 0 {
		return nil, nil
	}
	for _, line := range lines { // so that nothing is noted if a later one is wrong
		if _, err := inJSON(line, 1); err != nil {
			return nil, err
		}
	}
	if first, _ := cutWord(lines[0]); s.Client != "" && first != clientproto.Connect.String() {
		if message := s.Connect(now); message != nil {
			messages = append(messages, message)
		}
	}
	var message []byte
	for i, line := range lines {
		if i > 0 {
			message = append(message, '\n')
		}
		object, _ := inJSON(line, s.lastID+1) // it was right before
		if id, what := commandOf(object); id > 0 {
			s.note(now, id, what)
		}
		message = append(message, object...)
	}
	return append(messages, message), nil
}

// inJSON is the object that a line stands for.
func inJSON(line string, id uint64) ([]byte, error) {
	if line = strings.TrimSpace(line); strings.HasPrefix(line, "{") {
		return []byte(line), nil
	}
	c, err := parse(line, id)
	if err != nil {
		return nil, err
	}
	object := clientproto.AppendCommand(nil, &c)
	if _, err := clientproto.ParseCommand(object); err != nil { // as the server will read it
		if syntax, ok := errors.AsType[*clientproto.SyntaxError](err); ok {
			return nil, errors.New(syntax.Detail)
		}
		return nil, err
	}
	return object, nil
}

// overhear notes what a message in JSON asks for that a program sends.
func (s *Speaker) overhear(now time.Time, text string) {
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var object json.RawMessage
		if d.Decode(&object) != nil {
			return
		}
		if id, what := commandOf(object); id > 0 {
			s.note(now, id, what)
		}
	}
}

// commandOf is the id and the verb of a command, 0 for a text that is none.
func commandOf(object []byte) (id uint64, verb string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil || json.Unmarshal(members["id"], &id) != nil {
		return 0, ""
	}
	for name := range members {
		if findWord(name) != nil {
			verb = name
		}
	}
	return id, verb
}

func (s *Speaker) note(now time.Time, id uint64, what string) {
	s.lastID = max(s.lastID, id)
	s.connected = s.connected || what == clientproto.Connect.String()
	if s.waiting == nil {
		s.waiting = make(map[uint64]sent)
	}
	if len(s.waiting) < waitingMax {
		s.waiting[id] = sent{what, now}
	}
}

// Heard is what there is to say about an object of the server.
type Heard struct {
	// Aside is a few words that go behind it: which command it replies to, and how
	// long that took. Empty for a message that is no reply.
	Aside string

	// Note is a sentence that explains it. Empty for what explains itself.
	Note string

	// IsHeartbeat says that it means nothing.
	IsHeartbeat bool
}

// Objects are the objects in a message, nil if it is none of godwit.v1.
func Objects(message []byte) (objects [][]byte) {
	for line := range bytes.Lines(message) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' || !json.Valid(line) {
			return nil
		}
		objects = append(objects, line)
	}
	return objects
}

// Hear explains an object that came.
func (s *Speaker) Hear(now time.Time, object []byte) (h Heard) {
	var o struct {
		ID    uint64           `json:"id"`
		OK    *json.RawMessage `json:"ok"`
		Error *struct {
			Title  string `json:"title"`
			Detail string `json:"detail"`
		} `json:"error"`
		Gap          *gap `json:"gap"`
		Unsubscribed *struct {
			Channel string `json:"channel"`
		} `json:"unsubscribed"`
		Expiring *struct {
			AfterMS int64 `json:"after_ms"`
		} `json:"expiring"`
		End *struct {
			Code      uint16 `json:"code"`
			Reconnect bool   `json:"reconnect"`
		} `json:"end"`
	}
	if bytes.Equal(object, []byte("{}")) {
		return Heard{IsHeartbeat: true}
	}
	if json.Unmarshal(object, &o) != nil {
		return Heard{}
	}
	if o.OK != nil || o.Error != nil {
		was, known := s.waiting[o.ID]
		delete(s.waiting, o.ID)
		h.Aside = was.what
		if o.Error != nil {
			h.Aside = strings.TrimSpace(h.Aside + " refused")
		}
		if known {
			h.Aside += ", " + Took(now.Sub(was.at))
		}
	}
	switch {
	case o.Gap != nil:
		h.Note = o.Gap.sentence()
	case o.Unsubscribed != nil:
		h.Note = "the server has ended the subscription to " + o.Unsubscribed.Channel
	case o.Expiring != nil:
		h.Note = fmt.Sprintf("the token ends in %v; refresh TOKEN goes on with another", time.Duration(o.Expiring.AfterMS)*time.Millisecond)
	case o.End != nil:
		h.Note = "the session ends"
		if c := clientproto.FindCode(o.End.Code); c != nil {
			h.Note += ": " + c.Meaning
		}
	}
	return h
}

// gap is a push or a reply that says what does not come.
type gap struct {
	Channel  string  `json:"channel"`
	From, To *string // positions
	Reason   string  `json:"reason"`
	Count    uint64  `json:"count"`
}

func (g *gap) sentence() string {
	what := "some publications"
	switch {
	case g.Count == 1:
		what = "one publication"
	case g.Count > 1:
		what = fmt.Sprintf("%d publications", g.Count)
	}
	text := what + " of " + g.Channel + " will not come"
	for _, r := range clientproto.GapReasons() {
		if r.Name == g.Reason {
			text += ": " + strings.TrimSuffix(r.Meaning, ".")
		}
	}
	if g.Reason == clientproto.GapLost && g.To != nil {
		text += "; what is newer than " + *g.To + " does"
	}
	return text
}
