package drivertest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// fault is something that a peer must not do. The application gets what was
// whole before it, and nothing of it.
type fault struct {
	name   string
	send   []part
	code   wire.CloseCode
	reason string // "": any
}

const (
	reservedBits = "reserved bits set without an extension"
	notMinimal   = "frame length is not in its shortest form"
	noMessage    = "continuation without a message to continue"
	nested       = "new message before the last one ended"
	badText      = "text message is not valid UTF-8"
	badCode      = "close code that may not be sent"
	tooLong      = "message longer than the limit"
	tooMany      = "message of more fragments than the limit"
)

var framing = []fault{
	{"RSV1", []part{begins(0xc1, 0x00)}, 1002, reservedBits},
	{"RSV2", []part{begins(0xa2, 0x00)}, 1002, reservedBits},
	{"RSV3 of a control frame", []part{begins(0x99, 0x00)}, 1002, reservedBits},
	{"RSV3 of a continuation", []part{frame(false, wire.Text, "a"), begins(0x90, 0x00)}, 1002, reservedBits},
	{"opcode 3", []part{begins(0x83, 0x00)}, 1002, "reserved opcode"},
	{"opcode 7", []part{begins(0x87, 0x00)}, 1002, "reserved opcode"},
	{"opcode 11", []part{begins(0x8b, 0x00)}, 1002, "reserved opcode"},
	{"opcode 15 of a fragment", []part{begins(0x0f, 0x00)}, 1002, "reserved opcode"},
	{"a fragmented ping", []part{begins(0x09, 0x00)}, 1002, "fragmented control frame"},
	{"a fragmented close", []part{begins(0x08, 0x00)}, 1002, "fragmented control frame"},
	{"a ping of 126 bytes", []part{begins(0x89, 0x7e)}, 1002, "control frame longer than 125 bytes"},
	{"a close frame with a length of 64 bits", []part{begins(0x88, 0x7f)}, 1002, "control frame longer than 125 bytes"},
	{"a length of 16 bits that needs 7", []part{begins(0x82, 0x7e, 0x00, 0x7d)}, 1002, notMinimal},
	{"a length of 64 bits that needs 16", []part{begins(0x82, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0)}, 1002, notMinimal},
	{"the most significant bit of a length", []part{begins(0x82, 0x7f, 0x80)}, 1002, "most significant bit of the frame length is set"},
	{"a continuation of nothing", []part{begins(0x80, 0x00)}, 1002, noMessage},
	{"a message in a message", []part{frame(false, wire.Text, "a"), begins(0x81, 0x00)}, 1002, nested},
	{"a message in an empty message", []part{frame(false, wire.Binary, ""), begins(0x02, 0x00)}, 1002, nested},

	{"a close frame of one byte", []part{frame(true, wire.Close, "\x03")}, 1002, "close frame with a payload of one byte"},
	{"a reason that is no text", []part{frame(true, wire.Close, "\x03\xe8\xff")}, 1007, "close reason is not valid UTF-8"},
	{"a reason that is cut", []part{frame(true, wire.Close, "\x03\xe8\xe2\x82")}, 1007, "close reason is not valid UTF-8"},

	// The first bad byte fails: nothing has to follow it.
	{"a bad byte in a message that goes on", []part{announces(true, wire.Text, 5, "a\xff")}, 1007, badText},
	{"invalid text", []part{says("a\xffb")}, 1007, badText},
	{"a first fragment that is invalid", []part{frame(false, wire.Text, "a\xff")}, 1007, badText},
	{"a later fragment that is invalid", []part{frame(false, wire.Text, "good"), frame(false, wire.Continuation, "bad\xff")}, 1007, badText},
	{"a character that a fragment breaks", []part{frame(false, wire.Text, "\xe2"), frame(false, wire.Continuation, "x")}, 1007, badText},
	{"a surrogate", []part{says("\xed\xa0\x80")}, 1007, badText},
	{"an overlong form", []part{says("\xc0\xaf")}, 1007, badText},
	{"past the last character", []part{says("\xf4\x90\x80\x80")}, 1007, badText},
	{"a character that the end cuts", []part{says("\xe2\x82")}, 1007, badText},
	{"a character that an empty last fragment cuts", []part{frame(false, wire.Text, "\xe2\x82"), frame(true, wire.Continuation, "")}, 1007, badText},

	{"a frame over the limit, as it is announced", []part{announces(true, wire.Binary, 1001, "")}, 1009, tooLong},
	{"a message over the limit", []part{says(strings.Repeat("x", 1001))}, 1009, tooLong},
	{"fragments over the limit together", []part{frame(false, wire.Binary, strings.Repeat("x", 600)), frame(true, wire.Continuation, strings.Repeat("x", 401))}, 1009, tooLong},
	{"a length that makes the sum overflow", []part{frame(false, wire.Binary, "x"), announces(true, wire.Continuation, math.MaxInt64, "")}, 1009, tooLong},
	{"one fragment over the limit, empty ones counted", slices.Concat([]part{frame(false, wire.Text, "a")}, slices.Repeat([]part{frame(false, wire.Continuation, "")}, 10)), 1009, tooMany},
}

// faults are conversations that the peer does not end in order: each behind a
// message, whose application learns of nothing else.
func faults() []conversation {
	all := slices.Clone(framing)
	for _, code := range codesOffWire {
		all = append(all, fault{fmt.Sprint("a close frame with ", code), []part{frame(true, wire.Close, string([]byte{byte(code >> 8), byte(code)}))}, 1002, badCode})
	}
	return conversationsOf(all)
}

func conversationsOf(all []fault) (conversations []conversation) {
	for _, f := range all {
		told := fmt.Sprintf("close %d %q", f.code, f.reason)
		if f.reason == "" {
			told = fmt.Sprintf("close %d", f.code)
		}
		conversations = append(conversations, conversation{
			name: f.name, send: append([]part{says("before")}, f.send...), heard: []string{`text "before"`},
			told: []string{told}, end: fmt.Sprintf(`1006 "", sent %d`, f.code),
		})
	}
	return conversations
}

// masks are frames in the form of the wrong role (RFC 6455 §5.1).
func masks() []conversation {
	var all []fault
	for _, a := range []part{says("hello"), says(""), frame(true, wire.Ping, "p"), closes(1000, "")} {
		a.other = true
		all = append(all, fault{fmt.Sprintf("%s in the other role's form", a.h.Opcode), []part{a}, 1002, ""})
	}
	return conversationsOf(all)
}
