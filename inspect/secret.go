package inspect

import (
	"fmt"
	"net/textproto"
	"strings"

	"github.com/godwit-io/godwit/internal/redact"
)

// secretFields are those whose values a report must not show: reports are
// pasted into bug trackers.
var secretFields = map[string]bool{
	"Authorization": true, "Cookie": true, "Proxy-Authorization": true, "Set-Cookie": true,
}

// urlFields are those whose values are URLs.
var urlFields = map[string]bool{"Location": true, "Content-Location": true, "Referer": true}

// isSecretField reports whether the value of a field, given by its canonical
// name, must not be shown. Those of the handshake have keys that are no secrets.
func isSecretField(name string) bool {
	return secretFields[name] || redact.IsSecretName(name) && !strings.HasPrefix(name, "Sec-") && !strings.HasSuffix(name, "-Authenticate")
}

// showLines makes the lines of a head fit for a report, without credentials.
func showLines(lines []string) []string {
	shown := make([]string, 0, len(lines))
	for i, line := range lines {
		if i == fieldsMax {
			shown = append(shown, fmt.Sprintf("… and %d lines more", len(lines)-i))
			break
		}
		if i == 0 {
			line = showStart(line)
		} else if name, value, ok := strings.Cut(line, ":"); ok {
			name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			if isSecretField(name) || urlFields[name] {
				line = name + ": " + showValue(name, strings.Trim(value, " \t"))
			}
		}
		shown = append(shown, printable(line, 1024))
	}
	return shown
}

// showStart is the first line of a head, without secrets of the request's query.
func showStart(line string) string {
	method, rest, _ := strings.Cut(line, " ")
	target, version, isRequest := strings.Cut(rest, " ")
	path, query, hasQuery := strings.Cut(target, "?")
	if !isRequest || !hasQuery {
		return line
	}
	return method + " " + path + "?" + redact.Query(query) + " " + version
}

// showValue is the value of a field, and keeps of a credential what explains it:
// the scheme of an Authorization, the names of cookies and the attributes of
// Set-Cookie.
func showValue(field, value string) string {
	if urlFields[field] {
		return redact.Text(value)
	}
	if !isSecretField(field) {
		return value
	}
	hidden := func(s string) string { return fmt.Sprintf("(%d bytes, not shown)", len(s)) }
	switch field {
	case "Authorization", "Proxy-Authorization":
		if scheme, rest, ok := strings.Cut(value, " "); ok {
			return scheme + " " + hidden(rest)
		}
	case "Cookie":
		parts := strings.Split(value, ";")
		for i, p := range parts {
			if name, v, ok := strings.Cut(p, "="); ok {
				parts[i] = name + "=" + hidden(v)
			} else {
				parts[i] = " " + hidden(p)
			}
		}
		return strings.Join(parts, ";")
	case "Set-Cookie":
		pair, attributes, _ := strings.Cut(value, ";")
		name, v, ok := strings.Cut(pair, "=")
		if !ok {
			return hidden(value)
		}
		text := name + "=" + hidden(v)
		if attributes != "" {
			text += ";" + attributes
		}
		return text
	}
	return hidden(value)
}
