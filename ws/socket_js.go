package ws

import (
	"fmt"
	"slices"
	"strings"
	"syscall/js"

	"github.com/godwit-io/godwit/ws/wire"
)

// What every place where this runs has: the Go runtime needs the encoders, too.
var (
	uint8Array  = js.Global().Get("Uint8Array")
	textEncoder = js.Global().Get("TextEncoder").New()

	// Not as js.ValueOf decodes: that takes a leading U+FEFF for a byte order mark
	// and drops it.
	textDecoder = js.Global().Get("TextDecoder").New("utf-8", map[string]any{"ignoreBOM": true})
)

// readyStateOpen is the value of WebSocket.readyState while messages can be sent.
const readyStateOpen = 1

// socket is a WebSocket object of the page, with the handlers it was given.
type socket struct {
	object   js.Value
	handlers map[string]js.Func // by the event's name
}

// openSocket makes the object, which begins to connect. What the browser throws
// is returned.
func openSocket(url string, subprotocols []string) (s *socket, err error) {
	class := js.Global().Get("WebSocket")
	if class.Type() != js.TypeFunction {
		return nil, unsupported{{Field: "WebSocket", Reason: "this place has no such object"}}
	}
	defer catch(&err)
	protocols := make([]any, len(subprotocols))
	for i, p := range subprotocols {
		protocols[i] = p
	}
	object := class.New(url, protocols)
	object.Set("binaryType", "arraybuffer")
	return &socket{object: object, handlers: make(map[string]js.Func)}, nil
}

// browserError is what a JavaScript exception says.
type browserError string

func (e browserError) Error() string { return fmt.Sprintf("the browser refused: %.200q", string(e)) }

// catch turns a JavaScript exception into *err.
func catch(err *error) {
	switch thrown := recover().(type) {
	case nil:
	case js.Error:
		*err = browserError(thrown.Error())
	default:
		panic(thrown)
	}
}

// on has f called with each event of that name. f runs while the page stands
// still, so it must not block.
func (s *socket) on(name string, f func(event js.Value)) {
	handler := js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0])
		return nil
	})
	s.handlers[name] = handler
	s.object.Set("on"+name, handler)
}

// release takes the handlers away. The object lives on for as long as the
// browser needs it, and nobody hears of it.
func (s *socket) release() {
	for name, handler := range s.handlers {
		s.object.Set("on"+name, js.Null())
		handler.Release()
	}
	clear(s.handlers)
}

// send hands a message to the browser, which queues it without limit.
func (s *socket) send(m outgoing) (err error) {
	defer catch(&err)
	s.object.Call("send", m.value)
	return nil
}

// isOpen reports whether messages can be sent. The browser knows of a close frame
// of the peer before its event does.
func (s *socket) isOpen() bool { return s.object.Get("readyState").Int() == readyStateOpen }

// buffered is how many bytes of payload the browser has not sent yet.
func (s *socket) buffered() int { return s.object.Get("bufferedAmount").Int() }

// close sends a close frame after what is buffered. code is one that a page may
// send, see pageCode. While the socket is connecting, it gives up instead.
func (s *socket) close(code StatusCode, reason string) (err error) {
	defer catch(&err)
	if code == wire.CloseNoStatus {
		s.object.Call("close")
		return nil
	}
	// The rules of wire.AppendClose.
	payload := wire.AppendClose(nil, code, reason)
	s.object.Call("close", int(code), toText(payload[2:]))
	return nil
}

// incoming is a message that has arrived. It stays in the browser's memory until
// it is read.
type incoming struct {
	typ   MessageType
	array js.Value // a Uint8Array
	bytes int
}

// newIncoming takes the data of a message event: a string or an ArrayBuffer.
func newIncoming(data js.Value) incoming {
	if data.Type() == js.TypeString {
		array := textEncoder.Call("encode", data)
		return incoming{MessageText, array, array.Length()}
	}
	array := uint8Array.New(data)
	return incoming{MessageBinary, array, array.Length()}
}

// appendTo appends the message to dst.
func (m *incoming) appendTo(dst []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, m.bytes)[:n+m.bytes]
	js.CopyBytesToGo(dst[n:], m.array)
	return dst
}

// toArray copies p into a Uint8Array.
func toArray(p []byte) js.Value {
	array := uint8Array.New(len(p))
	js.CopyBytesToJS(array, p)
	return array
}

// toText makes a JavaScript string of p, which is valid UTF-8.
func toText(p []byte) js.Value {
	return textDecoder.Call("decode", toArray(p))
}

// text is a string that the browser said, "" if v is none.
func text(v js.Value) string {
	if v.Type() != js.TypeString {
		return ""
	}
	return strings.ToValidUTF8(v.String(), "\uFFFD")
}
