package clientproto

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub"
)

// ParseCommand reads a command from one line of JSON (docs/protocol.md §4). The error
// is a *SyntaxError. The command shares no memory with line.
//
// It is strict: a field that is unknown, given twice or of another type is refused,
// because a client's mistake must not pass for something else.
func ParseCommand(line []byte) (Command, error) {
	var c Command
	// RFC 8259 §8.1: JSON between systems is UTF-8, which json.Valid does not ask of
	// the inside of strings.
	if !json.Valid(line) || !utf8.Valid(line) {
		return c, &SyntaxError{0, "a command is one JSON object in UTF-8, on a line of its own, such as {\"id\":1,\"ping\":{}}"}
	}
	s := scanner{b: line}
	if s.peek() != '{' {
		return c, &SyntaxError{0, "a command is a JSON object, such as {\"id\":1,\"ping\":{}}, not " + kindOf(s.peek())}
	}
	var body []byte
	hasID := false
	problem := s.object(func(name string, value []byte) string {
		switch verb := verbOf(name); {
		case name == "id":
			if hasID {
				return "id is given twice"
			}
			hasID = true
			n, problem := number("id", value, 1, IDMax)
			c.ID = n
			return problem
		case verb == 0:
			return fmt.Sprintf("there is no command %s; the commands are %s", quoted(name), names())
		case c.Verb != 0:
			return fmt.Sprintf("a command asks for one thing, and this one for both %s and %s", c.Verb, verb)
		case value[0] != '{':
			return fmt.Sprintf("%s is an object, not %s", name, kindOf(value[0]))
		default:
			c.Verb, body = verb, value
			return ""
		}
	})
	switch {
	case problem != "":
	case c.Verb == 0:
		problem = "it asks for nothing; the commands are " + names()
	default:
		problem = c.parseBody(body)
	}
	if problem != "" {
		return Command{}, &SyntaxError{c.ID, problem}
	}
	return c, nil
}

func names() string {
	list := make([]string, 0, len(verbs))
	for _, v := range verbs[1:] {
		list = append(list, v.name)
	}
	return strings.Join(list, ", ")
}

func (c *Command) parseBody(body []byte) string {
	var seen [16]string
	n := 0
	s := scanner{b: body}
	problem := s.object(func(name string, value []byte) string {
		if !slices.Contains(verbs[c.Verb].fields, name) {
			if len(verbs[c.Verb].fields) == 0 {
				return fmt.Sprintf("%s has no fields, and here it has %s", c.Verb, quoted(name))
			}
			return fmt.Sprintf("%s has no field %s; its fields are %s", c.Verb, quoted(name), strings.Join(verbs[c.Verb].fields, ", "))
		}
		if slices.Contains(seen[:n], name) {
			return fmt.Sprintf("%s.%s is given twice", c.Verb, name)
		}
		seen[n] = name // a verb has fewer fields than seen has room for
		n++
		if problem := c.setField(name, value); problem != "" {
			return c.Verb.String() + "." + problem
		}
		return ""
	})
	if problem != "" {
		return problem
	}
	return c.checkWhole(seen[:n])
}

// checkWhole names the fields that are missing, or do not go together.
func (c *Command) checkWhole(given []string) string {
	has := func(name string) bool { return slices.Contains(given, name) }
	lacks := func(name string) string { return fmt.Sprintf("%s needs %s", c.Verb, name) }
	switch c.Verb {
	case Subscribe, Unsubscribe, Publish, History, Presence, Digest:
		if !has("channel") {
			return lacks("channel")
		}
	case RPC, Register, Unregister:
		if !has("method") {
			return lacks("method")
		}
	case Cancel:
		if !has("rpc") {
			return lacks("rpc, the id of the command to cancel")
		}
	case Refresh:
		if !has("token") {
			return lacks("token")
		}
	case Answer:
		if !has("call") {
			return lacks("call, as it stood in the call")
		}
		if has("error") && (has("data") || has("data_base64")) {
			return "answer has either data or error"
		}
	case Connect:
		if c.Resume != (Resume{}) && (c.Resume.Session == "" || c.Resume.Secret == "") {
			return "connect.resume needs session and secret, as the reply to connect had them"
		}
	}
	switch {
	case has("data") && has("data_base64"):
		return fmt.Sprintf("%s has either data or data_base64", c.Verb)
	case has("kind") && (c.Kind != hub.Text || !has("data")):
		return `publish.kind is for data that is a string: the text of the JSON value`
	case c.Verb == Publish && !has("data") && !has("data_base64"):
		return "publish needs data, or data_base64 for bytes"
	case c.Verb == Subscribe && hub.IsPattern(c.Channel) && c.checkPattern() != "":
		return c.checkPattern()
	case c.Vector != "" && !hub.IsPattern(c.Channel):
		return fmt.Sprintf(`subscribe.since %s is no position; take one as the server gave it, "EPOCH:OFFSET"`, quoted(c.Vector))
	case has("since") && has("last"):
		return fmt.Sprintf("%s has either since, to continue from a position, or last, to begin with the newest", c.Verb)
	}
	if has("kind") {
		if !json.Valid(c.Data) {
			return "publish.data is not the text of one JSON value, as publish.kind says"
		}
		c.Kind = hub.JSON
	}
	return ""
}

// checkPattern says what a subscription to a pattern cannot have.
func (c *Command) checkPattern() string {
	switch {
	case !c.Since.IsZero():
		return `subscribe.since is a position, and a pattern has none; give the newest vector that the server has pushed for it`
	case c.WithMembers:
		return "subscribe.presence is not for patterns, which have no members; subscribe to each channel"
	}
	return ""
}

// setField sets the field of that name. value is valid JSON. It returns the mistake, or "".
func (c *Command) setField(name string, value []byte) (problem string) {
	var n uint64
	switch name {
	case "token":
		c.Token, problem = text(name, value, 1, TokenBytes)
	case "client":
		c.Client, problem = text(name, value, 0, ClientBytes)
	case "resume":
		return c.setResume(value)
	case "messages":
		if value[0] == '"' { // where they go on
			c.Messages, problem = text(name, value, 1, hub.ChannelNameBytesMax)
			return problem
		}
		var wanted bool
		wanted, problem = boolean(name, value)
		c.NoMessages = !wanted
	case "channel":
		c.Channel, problem = text(name, value, 0, math.MaxInt)
	case "since":
		return c.setSince(value)
	case "last":
		n, problem = number(name, value, 0, numberMax)
		c.Last = int(n)
	case "limit":
		n, problem = number(name, value, 1, numberMax)
		c.Limit = int(n)
	case "presence":
		if string(value) == `"user"` {
			c.WithMembers, c.ByUser = true, true
			return ""
		}
		c.WithMembers, problem = boolean(name, value)
	case "self":
		var wanted bool
		wanted, problem = boolean(name, value)
		c.ExcludeSelf = !wanted
	case "delta":
		if c.Delta, problem = text(name, value, 1, 32); problem == "" && c.Delta != DeltaFossil {
			problem = fmt.Sprintf("delta %s is not spoken here; the format is %q", quoted(c.Delta), DeltaFossil)
		}
	case "rate":
		n, problem = number(name, value, 1, numberMax)
		c.Rate = int(n)
	case "cursor":
		c.Cursor, problem = text(name, value, 1, CursorBytes)
	case "by":
		var by string
		if by, problem = text(name, value, 1, 32); problem == "" && by != "user" && by != "session" {
			problem = `by is "user" or "session"`
		}
		c.ByUser = by == "user"
	case "count":
		c.CountOnly, problem = boolean(name, value)
	case "data":
		c.setData(value)
	case "kind":
		var kind string
		if kind, problem = text(name, value, 0, math.MaxInt); problem == "" && kind != "json" {
			problem = `kind is "json", or left out`
		}
	case "data_base64":
		return c.setBytes(value)
	case "event":
		c.Event, problem = text(name, value, 0, math.MaxInt) // the hub knows what may be
	case "key":
		c.Key, problem = text(name, value, 0, math.MaxInt)
	case "exclude":
		c.Exclude, problem = text(name, value, 0, math.MaxInt)
	case "idempotency_key":
		c.Idempotency, problem = text(name, value, 1, math.MaxInt)
	case "method":
		c.Method, problem = text(name, value, 1, MethodBytes)
	case "timeout_ms":
		n, problem = number(name, value, 1, numberMax)
		c.Timeout = time.Duration(n) * time.Millisecond
	case "concurrency":
		n, problem = number(name, value, 1, numberMax)
		c.Concurrency = int(n)
	case "call":
		c.Target, problem = number(name, value, 1, IDMax)
	case "rpc":
		c.Target, problem = number(name, value, 1, IDMax)
	case "error":
		return c.setFailure(value)
	}
	return problem
}

func (c *Command) setResume(value []byte) string {
	return fields("resume", value, func(name string, value []byte) (problem string) {
		switch name {
		case "session":
			c.Resume.Session, problem = text("resume.session", value, 1, 64)
		case "secret":
			c.Resume.Secret, problem = text("resume.secret", value, 1, 64)
		default:
			return fmt.Sprintf("resume has no field %s; its fields are session, secret", quoted(name))
		}
		return problem
	})
}

func (c *Command) setFailure(value []byte) string {
	c.Failure = &Failure{}
	return fields("error", value, func(name string, value []byte) (problem string) {
		switch name {
		case "type":
			c.Failure.Type, problem = text("error.type", value, 0, 255)
		case "title":
			c.Failure.Title, problem = text("error.title", value, 0, 255)
		case "detail":
			c.Failure.Detail, problem = text("error.detail", value, 0, 4096)
		case "data":
			c.Failure.Data = bytes.Clone(value)
		default:
			return fmt.Sprintf("error has no field %s; its fields are type, title, detail, data", quoted(name))
		}
		return problem
	})
}

// setSince reads a position, or the vector of a pattern.
func (c *Command) setSince(value []byte) string {
	since, problem := text("since", value, 1, VectorBytes)
	if problem != "" {
		return problem + `; take a position as the server gave it, "EPOCH:OFFSET"`
	}
	if c.Verb == Subscribe && !strings.Contains(since, ":") {
		c.Vector = since
		return ""
	}
	var err error
	if c.Since, err = hub.ParsePosition(since); err != nil {
		return fmt.Sprintf(`since %s is no position; take one as the server gave it, "EPOCH:OFFSET"`, quoted(since))
	}
	return ""
}

// setData keeps the payload of a publication: a JSON string is text, and every other
// value is JSON, as in an envelope.
func (c *Command) setData(value []byte) {
	if value[0] == '"' {
		c.Kind, c.Data = hub.Text, []byte(unquote(value))
		return
	}
	c.Kind, c.Data = hub.JSON, bytes.Clone(value)
}

func (c *Command) setBytes(value []byte) string {
	encoded, problem := text("data_base64", value, 0, math.MaxInt)
	if problem != "" {
		return problem
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "data_base64 is not Base64 with padding (RFC 4648 §4)"
	}
	c.Kind, c.Data = hub.Binary, data
	return ""
}

// fields calls field with each member of an object, which has none twice.
func fields(name string, value []byte, field func(name string, value []byte) string) string {
	if value[0] != '{' {
		return fmt.Sprintf("%s is an object, not %s", name, kindOf(value[0]))
	}
	var seen []string
	s := scanner{b: value}
	return s.object(func(member string, value []byte) string {
		if slices.Contains(seen, member) {
			return fmt.Sprintf("%s.%s is given twice", name, member)
		}
		seen = append(seen, member)
		return field(member, value)
	})
}

func text(name string, value []byte, least, most int) (string, string) {
	if value[0] != '"' {
		return "", fmt.Sprintf("%s is a string, not %s", name, kindOf(value[0]))
	}
	s := unquote(value)
	switch {
	case len(s) < least:
		return "", name + " is empty"
	case len(s) > most:
		return "", fmt.Sprintf("%s is %d bytes long; at most %d are allowed", name, len(s), most)
	}
	return s, ""
}

func boolean(name string, value []byte) (bool, string) {
	switch string(value) {
	case "true":
		return true, ""
	case "false":
		return false, ""
	}
	return false, fmt.Sprintf("%s is true or false, not %s", name, kindOf(value[0]))
}

// number reads a whole number.
func number(name string, value []byte, least, most uint64) (uint64, string) {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Sprintf("%s is a whole number from %d to %d, not %s", name, least, most, shown(value))
	}
	return n, ""
}
