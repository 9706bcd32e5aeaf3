package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/godwit-io/godwit/socketio/packet"
)

// Arguments are what an event or an acknowledgement says: any number of values. They are
// the caller's and do not change. Among the arguments of Emit they stand for all their
// values, so that an event is passed on as it came:
//
//	e.Socket().To("room").Emit(e.Name(), e.Arguments)
type Arguments struct {
	args        packet.Args
	attachments [][]byte
}

// Len returns how many arguments there are.
func (a *Arguments) Len() int { return a.args.Len() }

// Bind decodes the first arguments into what dst points to, as json.Unmarshal does:
//
//	var text string
//	var options struct{ Bold bool }
//	err := e.Bind(&text, &options)
//
// Bytes that the client has sent fit a []byte or a Binary, at any depth. A *json.RawMessage
// gets an argument as it came, with bytes as base64 in a string. Arguments after the last
// dst are left out. The error is an *ArgumentError, also if there are fewer arguments than
// dst; what came before it has been decoded.
func (a *Arguments) Bind(dst ...any) error {
	i := 0
	for arg := range a.args.All() {
		if i == len(dst) {
			return nil
		}
		if err := a.bind(arg, dst[i]); err != nil {
			return &ArgumentError{Index: i, Err: err}
		}
		i++
	}
	if i < len(dst) {
		return &ArgumentError{Index: i, Err: errMissing}
	}
	return nil
}

func (a *Arguments) bind(arg []byte, dst any) error {
	if len(a.attachments) > 0 {
		if b := bytesOf(dst); b != nil {
			if num, ok := packet.IsPlaceholder(arg); ok {
				*b = a.attachments[num]
				return nil
			}
		}
		expanded, err := packet.AppendExpanded(nil, arg, a.attachments, packet.AppendBase64)
		if err != nil {
			return err
		}
		arg = expanded
	}
	if bindPlain(arg, dst) {
		return nil
	}
	return json.Unmarshal(arg, dst)
}

// bindPlain is json.Unmarshal for what most arguments are. It reports false if it did
// nothing.
func bindPlain(arg []byte, dst any) bool {
	switch dst := dst.(type) {
	case *string:
		if arg[0] != '"' || bytes.IndexByte(arg, '\\') >= 0 || !utf8.Valid(arg) {
			return false
		}
		*dst = string(arg[1 : len(arg)-1])
		return true
	case *int:
		n, err := strconv.Atoi(string(arg))
		if err != nil {
			return false
		}
		*dst = n
		return true
	case *bool:
		if string(arg) != "true" && string(arg) != "false" {
			return false
		}
		*dst = arg[0] == 't'
		return true
	}
	return false
}

// bytesOf returns what dst points to if that is bytes.
func bytesOf(dst any) *[]byte {
	switch dst := dst.(type) {
	case *[]byte:
		return dst
	case *Binary:
		return (*[]byte)(dst)
	}
	return nil
}

// Raw returns the arguments as they came: JSON values with commas between them, in which a
// placeholder stands for each of the Attachments. Numbers of any size and the order of keys
// are as the client sent them. It must not be modified.
func (a *Arguments) Raw() packet.Args { return a.args }

// Attachments returns the bytes that came with the arguments.
func (a *Arguments) Attachments() [][]byte { return a.attachments }

// Values returns the arguments one by one, as they came and with bytes as base64 in a
// string, in new memory. It is for programs that take any event.
func (a *Arguments) Values() ([]json.RawMessage, error) {
	values := make([]json.RawMessage, a.Len())
	dst := make([]any, len(values))
	for i := range values {
		dst[i] = &values[i]
	}
	return values, a.Bind(dst...)
}

// Auth is the description that a client gives of itself when it connects, its option auth:
// a JSON object, or nil. With clients 1 and 2 it is the query of the namespace.
type Auth json.RawMessage

// Bind decodes the object into what dst points to. It leaves dst as it is, without an
// error, if the client said nothing.
func (a Auth) Bind(dst any) error {
	if len(a) == 0 {
		return nil
	}
	return json.Unmarshal(a, dst)
}
