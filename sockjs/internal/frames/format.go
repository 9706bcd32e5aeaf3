package frames

import "strings"

// Kind is the form in which a response carries frames.
type Kind uint8

// The forms.
const (
	Poll     Kind = iota // a frame and a line feed
	Stream               // the same again and again, behind a prelude
	Events               // an event stream
	HTMLFile             // a page of scripts
	JSONP                // a script
)

// Format is the form of one response.
type Format struct {
	Kind     Kind
	Callback string // of HTMLFile and JSONP; IsCallback
}

// IsSingle reports whether the response ends behind its first frame.
func (f Format) IsSingle() bool { return f.Kind == Poll || f.Kind == JSONP }

// preludeBytes is what browsers of old wanted to see before they showed anything.
const preludeBytes = 2048

var prelude = strings.Repeat("h", preludeBytes) + "\n"

// AppendPrelude appends the prelude of the first frame, which may be empty.
func (f Format) AppendPrelude(dst []byte) []byte {
	switch f.Kind {
	case Stream:
		return append(dst, prelude...)
	case Events:
		return append(dst, "\r\n"...) // Opera lost the first event without it
	case HTMLFile:
		return appendHTMLFile(dst, f.Callback)
	}
	return dst
}

// Append appends a frame.
func (f Format) Append(dst, frame []byte) []byte {
	switch f.Kind {
	case Events:
		dst = append(dst, "data: "...)
		dst = appendURI(dst, frame)
		return append(dst, "\r\n\r\n"...)
	case HTMLFile:
		dst = append(dst, "<script>\np("...)
		dst = appendScriptString(dst, frame)
		return append(dst, ");\n</script>\r\n"...)
	case JSONP:
		// The comment keeps what follows from being taken for the head of a Flash file.
		dst = append(dst, "/**/"...)
		dst = append(dst, f.Callback...)
		dst = append(dst, '(')
		dst = AppendString(dst, frame)
		return append(dst, ");\r\n"...)
	}
	dst = append(dst, frame...)
	return append(dst, '\n')
}

// appendURI escapes what the client decodes with decodeURI: every percent sign. What else
// would end a line, JSON has escaped.
func appendURI(dst, frame []byte) []byte {
	for _, c := range frame {
		if c == '%' {
			dst = append(dst, "%25"...)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// appendScriptString appends frame as a string in a script of a page. A message must not
// be able to end the script, so there is no "<" in it.
func appendScriptString(dst, frame []byte) []byte {
	start := len(dst)
	dst = AppendString(dst, frame)
	if strings.IndexByte(string(dst[start:]), '<') < 0 {
		return dst
	}
	safe := strings.ReplaceAll(string(dst[start:]), "<", `\u003c`)
	return append(dst[:start], safe...)
}

// callbackBytesMax is the longest name of a callback.
const callbackBytesMax = 32

// IsCallback reports whether name may be the name of a function to call: at most 32 characters
// of a-z, A-Z, 0-9, "-", "_" and ".".
func IsCallback(name string) bool {
	if name == "" || len(name) > callbackBytesMax {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
