package frames

import (
	"net/url"
	"strings"
)

// ParseForm returns the messages of a jsonp_send: the content itself, or with a form the value
// of "d". It returns ErrPayload for nothing, and ErrBroken for a value that is not encoded
// as forms are. The result may share memory with content.
func ParseForm(content []byte, contentType string) ([]byte, error) {
	media, _, _ := strings.Cut(contentType, ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		if len(content) == 0 {
			return nil, ErrPayload
		}
		return content, nil
	}
	for pair := range strings.SplitSeq(string(content), "&") {
		value, ok := strings.CutPrefix(pair, "d=")
		if !ok {
			continue
		}
		payload, err := url.QueryUnescape(value)
		switch {
		case err != nil:
			return nil, ErrBroken
		case payload == "":
			return nil, ErrPayload
		}
		return []byte(payload), nil
	}
	return nil, ErrPayload
}

// ParseCallback returns the callback that a query names: the value of "c", or of
// "callback". wrong is the text for a client that names none, or an impossible one.
func ParseCallback(query string) (name, wrong string) {
	values, _ := url.ParseQuery(query) // malformed pairs are left out
	if name = values.Get("c"); name == "" {
		name = values.Get("callback")
	}
	switch {
	case name == "":
		return "", `"callback" parameter required`
	case !IsCallback(name):
		return "", `invalid "callback" parameter`
	}
	return name, ""
}
