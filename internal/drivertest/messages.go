package drivertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// messages are conversations in order.
var messages = []conversation{
	{name: "text", send: []part{says("hello")}, heard: []string{`text "hello"`}},
	{name: "binary", send: []part{frame(true, wire.Binary, "\x00\xff")}, heard: []string{`binary "\x00\xff"`}},
	{name: "empty messages", send: []part{says(""), frame(true, wire.Binary, "")}, heard: []string{`text ""`, `binary ""`}},
	{name: "many messages", send: []part{says("a"), frame(true, wire.Binary, "b"), says("c"), says(""), says("e")},
		heard: []string{`text "a"`, `binary "b"`, `text "c"`, `text ""`, `text "e"`}},
	{name: "every form of length", send: []part{says(strings.Repeat("x", 125)), says(strings.Repeat("y", 126)), says(strings.Repeat("z", 127))},
		heard: []string{quoted("text", strings.Repeat("x", 125)), quoted("text", strings.Repeat("y", 126)), quoted("text", strings.Repeat("z", 127))}},
	{name: "characters of every length", send: []part{says("aé€😀")}, heard: []string{`text "aé€😀"`}},
	{name: "noncharacters and NUL are characters", send: []part{says("\x00\ufffe\U0010ffff")}, heard: []string{quoted("text", "\x00\ufffe\U0010ffff")}},
	{name: "binary is not judged", send: []part{frame(true, wire.Binary, "\xff\xed\xa0\x80")}, heard: []string{quoted("binary", "\xff\xed\xa0\x80")}},

	{name: "fragments", send: []part{frame(false, wire.Text, "a"), frame(false, wire.Continuation, "b"), frame(true, wire.Continuation, "c")}, heard: []string{`text "abc"`}},
	{name: "empty fragments", send: []part{frame(false, wire.Binary, ""), frame(false, wire.Continuation, ""), frame(true, wire.Continuation, "")}, heard: []string{`binary ""`}},
	{name: "content among empty fragments", send: []part{frame(false, wire.Text, ""), frame(false, wire.Continuation, "x"), frame(true, wire.Continuation, "")}, heard: []string{`text "x"`}},
	{name: "a character across fragments", send: []part{frame(false, wire.Text, "\xf0\x9f"), frame(false, wire.Continuation, "\x98"), frame(true, wire.Continuation, "\x80")}, heard: []string{`text "😀"`}},
	{name: "a ping inside a message", send: []part{frame(false, wire.Text, "in "), frame(true, wire.Ping, "still there?"), frame(false, wire.Continuation, ""), frame(true, wire.Continuation, "parts")},
		heard: []string{`text "in parts"`}, told: []string{`pong "still there?"`}},
	{name: "a pong inside a message", send: []part{frame(false, wire.Binary, "a"), frame(true, wire.Pong, "unasked"), frame(true, wire.Continuation, "b")}, heard: []string{`binary "ab"`}},
	{name: "a message behind fragments", send: []part{frame(false, wire.Text, "a"), frame(true, wire.Continuation, "b"), frame(true, wire.Binary, "c")}, heard: []string{`text "ab"`, `binary "c"`}},

	{name: "an empty ping", send: []part{frame(true, wire.Ping, "")}, told: []string{`pong ""`}},
	{name: "a ping of 125 bytes", send: []part{frame(true, wire.Ping, strings.Repeat("p", 125))}, told: []string{quoted("pong", strings.Repeat("p", 125))}},
	{name: "a ping that is no text", send: []part{frame(true, wire.Ping, "\xff\x00")}, told: []string{quoted("pong", "\xff\x00")}},
	{name: "pongs unasked", send: []part{frame(true, wire.Pong, ""), frame(true, wire.Pong, strings.Repeat("p", 125)), says("after")}, heard: []string{`text "after"`}},

	{name: "a message of the limit", send: []part{says(strings.Repeat("x", 1000))}, heard: []string{quoted("text", strings.Repeat("x", 1000))}},
	{name: "fragments of the limit together", send: []part{frame(false, wire.Binary, strings.Repeat("x", 600)), frame(true, wire.Continuation, strings.Repeat("x", 400))},
		heard: []string{quoted("binary", strings.Repeat("x", 1000))}},
	{name: "as many fragments as the limit", send: slices.Concat([]part{frame(false, wire.Text, "a")}, slices.Repeat([]part{frame(false, wire.Continuation, "")}, 8), []part{frame(true, wire.Continuation, "")}),
		heard: []string{`text "a"`}},
	{name: "the limits are those of a message", send: slices.Repeat([]part{frame(false, wire.Text, strings.Repeat("x", 500)), frame(true, wire.Continuation, strings.Repeat("x", 500))}, 6),
		heard: slices.Repeat([]string{quoted("text", strings.Repeat("x", 1000))}, 6)},
}

func quoted(op, s string) string { return fmt.Sprintf("%s %q", op, s) }

// peerCloses are conversations that the peer ends in order.
func peerCloses() []conversation {
	all := []conversation{
		{name: "with last words", send: []part{says("last words"), closes(4000, "enough")}, heard: []string{`text "last words"`},
			told: []string{`close 4000 ""`}, end: `4000 "enough", sent 4000`},
		{name: "without a code", send: []part{frame(true, wire.Close, "")}, told: []string{`close 1005 ""`}, end: `1005 "", sent 1005`},
		{name: "inside a message", send: []part{frame(false, wire.Text, "half"), closes(1001, "")}, told: []string{`close 1001 ""`}, end: `1001 "", sent 1001`},
		{name: "a reason of 123 bytes", send: []part{closes(1000, strings.Repeat("r", 123))}, told: []string{`close 1000 ""`},
			end: fmt.Sprintf("1000 %q, sent 1000", strings.Repeat("r", 123))},
		{name: "a reason of other alphabets", send: []part{closes(1000, "πρός 😀")}, told: []string{`close 1000 ""`}, end: `1000 "πρός 😀", sent 1000`},
		{name: "behind a ping", send: []part{frame(true, wire.Ping, "p"), closes(1000, "")}, told: []string{`pong "p"`, `close 1000 ""`}, end: `1000 "", sent 1000`},
		{name: "a message behind it", send: []part{closes(1000, ""), says("late")}, told: []string{`close 1000 ""`}, end: `1000 "", sent 1000`, late: true},
		{name: "a ping behind it", send: []part{closes(1000, ""), frame(true, wire.Ping, "late")}, told: []string{`close 1000 ""`}, end: `1000 "", sent 1000`, late: true},
		{name: "a second close behind it", send: []part{closes(1000, ""), closes(4000, "")}, told: []string{`close 1000 ""`}, end: `1000 "", sent 1000`, late: true},
		{name: "a fault behind it", send: []part{closes(1000, ""), begins(0xff, 0x7f)}, told: []string{`close 1000 ""`}, end: `1000 "", sent 1000`, late: true},
	}
	for _, code := range codesOnWire {
		all = append(all, conversation{name: fmt.Sprint("with ", code), send: []part{closes(code, "x")},
			told: []string{fmt.Sprintf(`close %d ""`, code)}, end: fmt.Sprintf(`%d "x", sent %d`, code, code)})
	}
	return all
}

// RFC 6455 §7.4 and the IANA registry: the codes that a frame may have, at the
// borders of their ranges, and those that it may not.
var (
	codesOnWire  = []wire.CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
	codesOffWire = []wire.CloseCode{0, 1, 999, 1004, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}
)
