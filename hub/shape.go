package hub

import (
	"bytes"
	"fmt"
)

// Shape says how a payload of JSON came to be: a set of bits. Protocols whose events are
// more than one value put them into JSON, and take them out of it again for their own
// clients; to all others it is a payload like any other.
type Shape uint8

const (
	// ShapeArgs is an array of the arguments of an event, of which there were none or
	// several.
	ShapeArgs Shape = 1 << iota

	// ShapeAttachments has bytes in it, each as {"$base64":"…"} in standard Base64.
	ShapeAttachments

	// ShapeFrame is a whole frame {"event":…,"data":…,"meta":…} of PieSocket.
	ShapeFrame

	shapes = iota
)

// Fits reports whether a valid payload can have the shape.
func (s Shape) Fits(kind Kind, data []byte) bool { return s.check(kind, data) == nil }

// check returns an error that wraps ErrAttribute.
func (s Shape) check(kind Kind, data []byte) error {
	if s == 0 {
		return nil
	}
	first := byte(0)
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); kind == JSON && len(trimmed) > 0 {
		first = trimmed[0]
	}
	switch {
	case s >= 1<<shapes:
		return fmt.Errorf("%w: shape %d is none of those there are", ErrAttribute, s)
	case kind != JSON:
		return fmt.Errorf("%w: only a payload of JSON has a shape", ErrAttribute)
	case s&ShapeArgs != 0 && first != '[':
		return fmt.Errorf("%w: the arguments of an event are an array", ErrAttribute)
	case s&ShapeFrame != 0 && first != '{':
		return fmt.Errorf("%w: a frame is an object", ErrAttribute)
	}
	return nil
}
