package packet

import (
	"encoding/json"
	"iter"
	"strconv"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// Args are the arguments of an event or an acknowledgement: JSON values with commas
// between them, as they stand in the packet. Args that Parse returns are valid; others
// are checked by ParseArgs.
type Args []byte

// ParseArgs returns the elements of a JSON array as arguments. They are a part of array.
// The error is ErrData.
func ParseArgs(array []byte) (Args, error) {
	i := skipSpace(array, 0)
	if i >= len(array) || array[i] != '[' {
		return nil, ErrData
	}
	end := skipArray(array, i, 0, nil)
	if end < 0 || skipSpace(array, end) != len(array) {
		return nil, ErrData
	}
	i = skipSpace(array, i+1)
	return Args(trimSpace(array[i : end-1])), nil
}

// AppendArray appends the arguments as a JSON array.
func (a Args) AppendArray(dst []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, a...)
	return append(dst, ']')
}

// All returns the arguments one by one. They are parts of a.
func (a Args) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := skipSpace(a, 0); i < len(a); {
			end := skipValue(a, i, 0, nil)
			if end < 0 || !yield(a[i:end:end]) {
				return
			}
			if i = skipSpace(a, end); i < len(a) {
				i = skipSpace(a, i+1) // the comma
			}
		}
	}
}

// Len returns how many arguments there are.
func (a Args) Len() int {
	n := 0
	for range a.All() {
		n++
	}
	return n
}

// AppendArg appends a JSON value to arguments.
func (a Args) AppendArg(value []byte) Args {
	if len(a) > 0 {
		a = append(a, ',')
	}
	return append(a, value...)
}

// AppendString appends a string to arguments.
func (a Args) AppendString(s string) Args {
	if len(a) > 0 {
		a = append(a, ',')
	}
	return jsontext.AppendString(a, s)
}

// AppendPlaceholder appends the place of attachment num to arguments.
func (a Args) AppendPlaceholder(num int) Args {
	if len(a) > 0 {
		a = append(a, ',')
	}
	return AppendPlaceholder(a, num)
}

// AppendPlaceholder appends the JSON that stands for attachment num.
func AppendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	return append(strconv.AppendInt(dst, int64(num), 10), '}')
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && skipSpace(b, len(b)-1) == len(b) {
		b = b[:len(b)-1]
	}
	return b
}

// unquote returns the text of a JSON string, which has its quotes.
func unquote(s []byte) (string, bool) {
	var text string
	return text, json.Unmarshal(s, &text) == nil
}
