package clientproto

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// ParseCommandCBOR reads the first command of a message of godwit.v1.cbor (docs/protocol.md
// §10), and returns what stands behind it. The error is a *SyntaxError; rest is nil then
// if it is not known where the next command begins. The command shares no memory with
// message.
//
// It makes of it the JSON that says the same, and reads that: so both mean the same, and a
// mistake is told in the same words. A payload is not taken through JSON.
func ParseCommandCBOR(message []byte) (c Command, rest []byte, err error) {
	var item cbor.RawMessage
	if rest, err = strict.UnmarshalFirst(message, &item); err != nil {
		return c, nil, &SyntaxError{0, "the message is not well-formed CBOR as it is spoken here, with lengths before everything and few levels: " + brief(err)}
	}
	var t transcoder
	if problem := t.object(0, 0, item); problem != "" {
		return c, rest, &SyntaxError{t.id, problem}
	}
	if c, err = ParseCommand(t.json); err != nil {
		return c, rest, err
	}
	if t.payload != nil {
		c.Kind, c.Data = t.kind, t.payload
	}
	return c, rest, nil
}

// strict refuses CBOR that nobody needs, or that could be read in two ways.
var strict = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		UTF8:             cbor.UTF8RejectInvalid,
		MaxNestedLevels:  8,
		MaxArrayElements: 16,
		MaxMapPairs:      16,
	}.DecMode()
	if err != nil {
		panic("clientproto: " + err.Error())
	}
	return mode
}()

// transcoder makes JSON of a command.
type transcoder struct {
	json    []byte
	id      uint64
	kind    hub.Kind
	payload []byte // nil if there is none that JSON would change
}

// levels of a command: the command itself, what it asks for, and an object therein.
const levelMax = 3

// object appends a map. It returns the mistake, or "".
func (t *transcoder) object(level int, name Key, item cbor.RawMessage) string {
	var m map[uint64]cbor.RawMessage
	if err := strict.Unmarshal(item, &m); err != nil {
		var twice *cbor.DupMapKeyError
		switch {
		case errors.As(err, &twice):
			return fmt.Sprintf("the key %v is given twice in one map", twice.Key)
		case level == 0:
			return "a command is a map whose keys are numbers, see the table of keys"
		}
		return name.String() + " is a map whose keys are numbers, see the table of keys"
	}
	if level == 0 {
		if id := m[uint64(KeyID)]; id != nil {
			if err := strict.Unmarshal(id, &t.id); err != nil || t.id > IDMax {
				t.id = 0 // the reader of JSON names the mistake
			}
		}
	}
	t.json = append(t.json, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if key >= uint64(len(keyNames)) {
			return fmt.Sprintf("there is no key %d in the table of keys", key)
		}
		if i > 0 {
			t.json = append(t.json, ',')
		}
		if problem := t.member(level+1, Key(key), m[key]); problem != "" {
			return problem
		}
	}
	t.json = append(t.json, '}')
	return ""
}

// The major types of CBOR that commands have, RFC 8949 §3.1.
const (
	majorUint = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
)

func (t *transcoder) member(level int, k Key, item cbor.RawMessage) string {
	major := item[0] >> 5
	isPayload := k == KeyData && level == 2
	if isPayload && major == majorBytes {
		if err := strict.Unmarshal(item, &t.payload); err != nil {
			return "data: " + brief(err)
		}
		t.kind, t.payload = hub.Binary, append([]byte{}, t.payload...)
		t.json = append(t.json, `"data_base64":""`...)
		return ""
	}
	t.json = append(t.json, k.Member()...)
	switch {
	case k == KeyData && major == majorTag:
		return t.value(isPayload, item)
	case isPayload && major != majorText:
		return fmt.Sprintf("data is text, bytes, or JSON: a byte string with the tag %d", TagJSON)
	}
	switch major {
	case majorUint, majorNegative:
		var n int64
		if err := strict.Unmarshal(item, &n); err != nil {
			return fmt.Sprintf("%s is a number that is out of range", k)
		}
		t.json = strconv.AppendInt(t.json, n, 10)
	case majorText:
		var s string
		if err := strict.Unmarshal(item, &s); err != nil {
			return fmt.Sprintf("%s is text that is not UTF-8", k)
		}
		t.json = jsontext.AppendString(t.json, s)
	case majorMap:
		if level == levelMax {
			return fmt.Sprintf("%s is a map, which it cannot be", k)
		}
		return t.object(level, k, item)
	case majorBytes, majorArray, majorTag:
		return fmt.Sprintf("%s is bytes, an array or tagged, which it cannot be", k)
	default:
		var is any
		if err := strict.Unmarshal(item, &is); err != nil {
			return fmt.Sprintf("%s is something of which CBOR has no meaning", k)
		}
		switch is := is.(type) {
		case nil:
			t.json = append(t.json, "null"...)
		case bool:
			t.json = strconv.AppendBool(t.json, is)
		default:
			return fmt.Sprintf("%s is a number with a point, or a simple value, which it cannot be", k)
		}
	}
	return ""
}

// value appends a value that is the text of JSON, or keeps it if it is the payload.
func (t *transcoder) value(isPayload bool, item cbor.RawMessage) string {
	var tag cbor.RawTag
	var text []byte
	if err := strict.Unmarshal(item, &tag); err != nil || tag.Number != TagJSON || tag.Content[0]>>5 != majorBytes {
		return fmt.Sprintf("data that is JSON is a byte string with the tag %d", TagJSON)
	}
	if err := strict.Unmarshal(tag.Content, &text); err != nil {
		return "data: " + brief(err)
	}
	if !json.Valid(text) {
		return fmt.Sprintf("data has the tag %d and is not JSON", TagJSON)
	}
	if !isPayload {
		t.json = append(t.json, text...)
		return ""
	}
	t.kind, t.payload = hub.JSON, text
	t.json = append(t.json, "null"...)
	return ""
}

// brief is an error of the decoder, which may quote the peer.
func brief(err error) string {
	const most = 200
	text := err.Error()
	if len(text) > most {
		text = text[:most]
	}
	return text
}
