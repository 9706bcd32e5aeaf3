package dialect

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// lines is HTTP streaming: one JSON object a line, each ended by a single
// line feed and none with one inside. An empty object is a heartbeat.
//
//	{"channel":"chat","position":"f3Zb:17","time":"…","data":"hello"}
//	{}
//	{"gap":{"from":"f3Zb:17","to":"f3Zb:40"}}
//	{"gap":{"from":"f3Zb:40","to":"f3Zb:45","reason":"conflated","count":5}}
//	{"behind":{"is":true,"detail":"the broker behind this server cannot be used now; …"}}
//	{"end":{"code":4401,"reason":"token expired","reconnect":false}}
//
// Where the stream begins is in the Godwit-Position header.
var lines = streamFormat{
	transport:   "ndjson",
	contentType: "application/x-ndjson",
	form:        formLine,
	// The first heartbeat comes at once: over HTTP/2, nginx keeps even the header
	// of a response back until there is something of its body.
	appendOpen: func(dst []byte, _ time.Duration, _ hub.Position) []byte { return append(dst, "{}\n"...) },
	appendGap:  func(dst []byte, g *hub.Gap) []byte { return append(appendGapObject(dst, g), '\n') },
	appendEnd: func(dst []byte, e ending) []byte {
		dst = append(dst, `{"end":`...)
		return append(e.appendTo(dst), "}\n"...)
	},
	appendBehind: appendLineBehind,
	heartbeat:    []byte("{}\n"),

	patternForm:       formLine,
	appendOpenPattern: appendLineOpenPattern,
	appendChannelGap:  appendLineChannelGap,
}

// appendGapObject appends {"gap":{"from":…,"to":…}}, which stands among
// envelopes where something is missing.
func appendGapObject(dst []byte, g *hub.Gap) []byte {
	dst = append(dst, `{"gap":`...)
	return append(appendGap(dst, g), '}')
}
