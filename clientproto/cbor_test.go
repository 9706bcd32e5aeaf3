package clientproto

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
)

// toCBOR makes of a command in JSON the one in CBOR that says the same, or nil if there
// is none.
func toCBOR(t testing.TB, line []byte) []byte {
	item := itemOf(line, true, 0)
	if item == nil {
		return nil
	}
	b, err := cbor.Marshal(item)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func itemOf(value []byte, isObject bool, level int) any {
	if !isObject || value[0] != '{' {
		var v any
		d := json.NewDecoder(bytes.NewReader(value))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return nil
		}
		if n, ok := v.(json.Number); ok {
			i, err := n.Int64()
			if err != nil || n.String() != json.Number(strings.TrimLeft(n.String(), "+")).String() {
				return nil
			}
			return i
		}
		if _, isArray := v.([]any); isArray {
			return nil
		}
		if v == nil {
			return cbor.RawMessage{0xF6}
		}
		return v
	}
	m := map[uint64]any{}
	s := scanner{b: value}
	problem := s.object(func(name string, value []byte) string {
		isBytes := name == "data_base64" && level == 1
		if isBytes {
			name = "data"
		}
		key := slices.Index(keyNames[:], name)
		if key < 0 || m[uint64(key)] != nil {
			return "no"
		}
		var item any
		switch {
		case isBytes:
			var text string
			if json.Unmarshal(value, &text) != nil {
				return "no"
			}
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return "no"
			}
			item = b
		case name == "data" && (level == 2 || value[0] != '"'):
			item = cbor.Tag{Number: TagJSON, Content: bytes.Clone(value)}
		default:
			item = itemOf(value, true, level+1)
		}
		if item == nil {
			return "no"
		}
		m[uint64(key)] = item
		return ""
	})
	if problem != "" {
		return nil
	}
	return m
}

func checkTheSame(t *testing.T, line []byte) bool {
	t.Helper()
	want, err := ParseCommand(line)
	if err != nil {
		return false
	}
	message := toCBOR(t, line)
	if message == nil {
		return false
	}
	got, rest, err := ParseCommandCBOR(append(message, 0xA0))
	if err != nil || len(rest) != 1 {
		t.Fatalf("%s as %x: %v, and %x is left", line, message, err, rest)
	}
	if want.Data != nil && len(want.Data) == 0 && len(got.Data) == 0 {
		got.Data = want.Data
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s as %x is %+v, and in JSON %+v", line, message, got, want)
	}
	return true
}

func TestCommandsMeanTheSameInCBOR(t *testing.T) {
	n := 0
	for _, seed := range commandSeeds {
		if checkTheSame(t, []byte(seed)) {
			n++
		}
	}
	if n < len(commandSeeds)-1 { // one of them is a mistake
		t.Errorf("only %d of %d can be said in CBOR", n, len(commandSeeds))
	}
}

func FuzzCommandsMeanTheSameInCBOR(f *testing.F) {
	for _, seed := range commandSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) { checkTheSame(t, line) })
}

// TestCBORIsStrict: what could be read in two ways is refused, and says why.
func TestCBORIsStrict(t *testing.T) {
	for _, c := range []struct{ name, message, want string }{
		{"an example", "a2 09 02 13 a1 00 64 63686174", ""},
		{"JSON that is a string", "a2 09 03 12 a2 00 61 61 03 d90106 43 227822", ""},
		{"nothing", "", "well-formed"},
		{"text", "64 63686174", "a map whose keys are numbers"},
		{"indefinite length", "bf 09 02 18 25 a0 ff", "indefinite"},
		{"cut off", "a2 09 02 13 a1 00 64 6368", "well-formed"},
		{"a key twice", "a3 09 02 09 03 18 25 a0", "twice"},
		{"a key twice inside", "a2 09 02 13 a2 00 61 61 00 61 62", "twice"},
		{"an unknown key", "a2 09 02 18 f0 a0", "no key 240"},
		{"names", "a1 62 6964 02", "a map whose keys are numbers"},
		{"text that is not UTF-8", "a2 09 02 13 a1 00 61 ff", "UTF-8"},
		{"a half", "a2 09 02 13 a2 00 61 61 18 28 f93800", "point"},
		{"undefined", "a2 09 02 13 a2 00 61 61 18 28 f7", ""},
		{"another tag", "a2 09 03 12 a2 00 61 61 03 c1 00", "tag 262"},
		{"no JSON", "a2 09 03 12 a2 00 61 61 03 d90106 41 7b", "not JSON"},
		{"JSON that is text", "a2 09 03 12 a2 00 61 61 03 d90106 61 31", "byte string"},
		{"a number as data", "a2 09 03 12 a2 00 61 61 03 01", "data is text, bytes"},
		{"bytes as a channel", "a2 09 02 13 a1 00 41 61", "channel is bytes"},
		{"JSON as a command", "a2 09 02 13 d90106 42 7b7d", "tagged"},
		{"an id that is negative", "a2 09 20 18 25 a0", "id"},
		{"too deep", "a2 09 02 13 a1 13 a1 13 a1 13 a1 13 a1 13 a1 13 a1 13 a0", "level"},
		{"a long array", "a2 09 02 13 a1 00 99 ffff", "well-formed"},
	} {
		message, err := hex.DecodeString(strings.ReplaceAll(c.message, " ", ""))
		if err != nil {
			t.Fatal(c.name, err)
		}
		_, _, err = ParseCommandCBOR(message)
		switch {
		case c.name == "undefined":
			if err == nil {
				t.Error("undefined means something")
			}
		case (err == nil) != (c.want == ""), err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzParseCommandCBOR: any input is a command or a mistake that is told, and the rest
// gets shorter.
func FuzzParseCommandCBOR(f *testing.F) {
	for _, seed := range commandSeeds {
		if b := toCBOR(f, []byte(seed)); b != nil {
			f.Add(b)
		}
	}
	f.Add([]byte{0xA2, 9, 1, 0x18, 0x25, 0xA0, 0xA2, 9, 2, 0x18, 0x25, 0xA0})
	f.Fuzz(func(t *testing.T, message []byte) {
		given := bytes.Clone(message)
		c, rest, err := ParseCommandCBOR(message)
		if !bytes.Equal(given, message) {
			t.Fatal("the message was changed")
		}
		if len(rest) > 0 && (len(rest) >= len(message) || !bytes.HasSuffix(message, rest)) {
			t.Fatalf("%x is left of %x", rest, message)
		}
		if err != nil {
			var wrong *SyntaxError
			if !errors.As(err, &wrong) || wrong.Detail == "" || len(wrong.Detail) > 1024 {
				t.Fatalf("%#v", err)
			}
			return
		}
		if c.Verb == 0 || c.ID > IDMax {
			t.Fatalf("%x was read as %+v", message, c)
		}
	})
}
