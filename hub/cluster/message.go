package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
	"unicode/utf8"
)

// The versions of the format of messages that this package writes and reads. Beats of every
// version are read, so their fields keep their meaning for ever.
const (
	ProtocolNewest = 1
	ProtocolOldest = 1
)

// messageType is the type of a message. A message of an unknown type is ignored.
type messageType string

const (
	typeBeat   messageType = "beat"   // I am here, and this is how I am
	typeBye    messageType = "bye"    // I leave
	typeTold   messageType = "told"   // data of a kind for all nodes
	typeAsk    messageType = "ask"    // data of a kind, for an answer
	typeAnswer messageType = "answer" // a part of one
)

// message is what nodes send each other: a line of JSON, and data behind it.
type message struct {
	Version int           `json:"v"`
	Type    messageType   `json:"t"`
	From    string        `json:"from"`
	Number  uint64        `json:"n,omitempty"` // what the sender has told before and with this, or of the request
	Kind    string        `json:"kind,omitempty"`
	Beat    *beat         `json:"beat,omitempty"`
	Wait    time.Duration `json:"wait,omitempty"`  // how long the asker waits
	Part    int           `json:"part,omitempty"`  // of an answer, from 0
	More    bool          `json:"more,omitempty"`  // another part follows
	Error   string        `json:"error,omitempty"` // why there is no answer
	Reason  string        `json:"why,omitempty"`   // what kind of error this is, see the reasons

	data []byte
}

// Reasons why there is no answer. Others are a *RemoteError.
const (
	reasonUnknown = "unknown"
	reasonBusy    = "busy"
	reasonTooLong = "long"
)

// beat is how a node is.
type beat struct {
	Number  uint64        `json:"n"`           // of this beat
	Asks    bool          `json:"q,omitempty"` // all nodes are to beat now
	Name    string        `json:"name,omitempty"`
	Program string        `json:"version,omitempty"`
	Newest  int           `json:"new"`
	Oldest  int           `json:"old"`
	Address string        `json:"addr,omitempty"`
	Token   string        `json:"token,omitempty"`
	State   State         `json:"state,omitempty"`
	Age     time.Duration `json:"age"`
	Lag     time.Duration `json:"lag,omitempty"`
	Load    Load          `json:"load"`
	Note    []byte        `json:"note,omitempty"`
}

const (
	headBytesMax = 4096 // of the line of JSON
	textBytesMax = 255  // of a name, a version, an address, a token, a kind
	noteBytesMax = 64
	idBytesMax   = 10
)

var (
	errFormat = errors.New("cluster: this is no message of a node")
	errBounds = errors.New("cluster: a part of the message is too long")
)

// appendMessage appends m to dst.
func appendMessage(dst []byte, m *message) ([]byte, error) {
	head, err := json.Marshal(m)
	if err != nil {
		return dst, err
	}
	if len(head) > headBytesMax {
		return dst, errBounds
	}
	dst = append(dst, head...)
	dst = append(dst, '\n')
	return append(dst, m.data...), nil
}

// parseMessage parses what appendMessage has made, here or by a newer version. The data are a part of b.
func parseMessage(b []byte) (*message, error) {
	end := bytes.IndexByte(b[:min(len(b), headBytesMax+1)], '\n')
	if end < 0 {
		return nil, errFormat
	}
	m := new(message)
	if err := json.Unmarshal(b[:end], m); err != nil {
		return nil, errFormat
	}
	m.data = b[end+1:]
	switch {
	case m.Version < 1, !isID(m.From), len(m.Kind) > textBytesMax, m.Part < 0, m.Wait < 0, m.Type == typeBeat && m.Beat == nil, m.Type == typeTold && m.Kind == "":
		return nil, errFormat
	case m.Beat == nil:
		return m, nil
	}
	c := m.Beat
	for _, text := range []string{c.Name, c.Program, c.Address, c.Token, string(c.State)} {
		if len(text) > textBytesMax {
			return nil, errBounds
		}
	}
	if len(c.Note) > noteBytesMax {
		return nil, errBounds
	}
	if c.Newest < c.Oldest || c.Oldest < 1 {
		return nil, errFormat
	}
	c.Age, c.Lag = max(c.Age, 0), max(c.Lag, 0)
	return m, nil
}

// isID reports whether text is what the ID of a node looks like.
func isID(text string) bool {
	return text != "" && len(text) <= idBytesMax && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// cut shortens a text to what a message may have of it.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= textBytesMax {
		return text
	}
	end := textBytesMax
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}
