package feed

import (
	"errors"
	"strings"

	"github.com/godwit-io/godwit/internal/jsonpointer"
)

// Filter is a condition for messages: "/method = eth_subscription" wants a string, number, true, false or null of
// that text where the pointer leads, and "/params/result" anything at all. It is not modified once parsed.
type Filter struct {
	pointer  jsonpointer.Pointer
	value    string
	hasValue bool
}

// ParseFilter parses a condition. A pointer in one cannot have "=". The error completes a sentence that begins with the text.
func ParseFilter(s string) (Filter, error) {
	pointer, value, hasValue := strings.Cut(s, "=")
	p, err := jsonpointer.Parse(strings.TrimSpace(pointer))
	if err == nil && strings.TrimSpace(pointer) == "" {
		err = errors.New("there is no pointer")
	}
	if err != nil {
		return Filter{}, errors.New("it is no condition such as /type = trade, which is a JSON pointer and a value, or a pointer alone: " + err.Error())
	}
	return Filter{p, strings.TrimSpace(value), hasValue}, nil
}

// String is f as ParseFilter takes it.
func (f Filter) String() string {
	if !f.hasValue {
		return f.pointer.String()
	}
	return f.pointer.String() + " = " + f.value
}

// Matches reports whether f holds for a message, which is valid JSON.
func (f Filter) Matches(message []byte) bool {
	value, ok := f.pointer.Find(message)
	if !ok || !f.hasValue {
		return ok
	}
	if string(value) == "null" {
		return f.value == "null"
	}
	text, ok := scalarAt(f.pointer, message)
	return ok && text == f.value
}

// allMatch reports whether every condition holds, and anyMatches whether one does.
func allMatch(filters []Filter, message []byte) bool {
	for _, f := range filters {
		if !f.Matches(message) {
			return false
		}
	}
	return true
}

func anyMatches(filters []Filter, message []byte) bool {
	for _, f := range filters {
		if f.Matches(message) {
			return true
		}
	}
	return false
}
