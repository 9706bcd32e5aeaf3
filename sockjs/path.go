package sockjs

import (
	"strings"
)

// SplitPath divides a path from the right, for servers with many bases, see
// Options.Match: rest is the longest end of path that SockJS has a meaning for, and base
// is the part before it. A path without such an end is a base, with or without a slash
// behind it.
//
//	/chat/room/7/123/abcdefgh/xhr   /chat/room/7   /123/abcdefgh/xhr
//	/chat/room/7/info               /chat/room/7   /info
//	/chat/room/7                    /chat/room/7
//	/chat/room/7/                   /chat/room/7   /
func SplitPath(path string) (base, rest string) {
	last := strings.LastIndexByte(path, '/')
	if last < 0 {
		return path, ""
	}
	end := path[last:]
	if _, ok := endpoints[end[1:]]; ok {
		if session := strings.LastIndexByte(path[:last], '/'); session >= 0 && isSegment(path[session+1:last]) {
			if server := strings.LastIndexByte(path[:session], '/'); server >= 0 && isSegment(path[server+1:session]) {
				return path[:server], path[server:]
			}
		}
	}
	if end == "/" || end == "/info" || end == "/websocket" || isIframe(end) {
		return path[:last], end
	}
	return path, ""
}

// isSegment reports whether s may be the server or the session in a path.
func isSegment(s string) bool {
	return s != "" && len(s) <= segmentBytesMax && !strings.Contains(s, ".")
}

// segmentBytesMax is the longest name of a server or a session. Clients use 3 and 8
// characters, and 36 for a UUID.
const segmentBytesMax = 128

// isIframe reports whether path is the path of the iframe page: /iframe.html, or
// /iframe-VERSION.html.
func isIframe(path string) bool {
	version, ok := strings.CutPrefix(path, "/iframe")
	if !ok {
		return false
	}
	version, ok = strings.CutSuffix(version, ".html")
	if !ok || version == "" {
		return ok
	}
	if version[0] != '-' {
		return false
	}
	for _, c := range []byte(version) {
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}

// endpoint is the meaning of the last segment of the path of a session.
type endpoint struct {
	transport Transport // of a receiver, or 0
	sends     bool      // it sends
	isJSONP   bool
	method    string
}

var endpoints = map[string]endpoint{
	"websocket":     {transport: WebSocket, method: "GET"},
	"xhr":           {transport: XHRPolling, method: "POST"},
	"xhr_streaming": {transport: XHRStreaming, method: "POST"},
	"xhr_send":      {sends: true, method: "POST"},
	"eventsource":   {transport: EventSource, method: "GET"},
	"htmlfile":      {transport: HTMLFile, method: "GET"},
	"jsonp":         {transport: JSONPPolling, isJSONP: true, method: "GET"},
	"jsonp_send":    {sends: true, isJSONP: true, method: "POST"},
}
