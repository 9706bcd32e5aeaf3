package clientproto

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

const how = "`go generate ./clientproto`"

// The generated files say what the tables say.
func TestGenerated(t *testing.T) {
	if !t.Run("snapshot", TestNothingIsReused) {
		return // nothing is made from a table that uses something again
	}
	for path, want := range map[string]string{
		"../docs/problems.md":        problemsPage(),
		"../docs/codes.md":           codesPage(),
		"../clients/js/src/codes.ts": typeScript(),
		"../clients/js/src/keys.ts":  typeScriptKeys(),
	} {
		golden.Compare(t, path, want)
	}
}

// The table of keys in the protocol is the one of the code.
func TestProtocolHasTheKeys(t *testing.T) {
	const path, begin, end = "../docs/protocol.md", "<!-- keys: made by go generate ./clientproto -->\n", "<!-- end of keys -->"
	want := "| | +0 | +1 | +2 | +3 | +4 | +5 | +6 | +7 |\n|---|---|---|---|---|---|---|---|---|\n"
	for n := 0; n < len(keyNames); n += 8 {
		want += "| " + strconv.Itoa(n) + " |"
		for _, name := range keyNames[n:min(n+8, len(keyNames))] {
			want += " `" + name + "` |"
		}
		want += strings.Repeat(" |", 8-min(8, len(keyNames)-n)) + "\n"
	}
	golden.ComparePart(t, path, begin, end, want)
}

func problemsPage() string {
	var page strings.Builder
	page.WriteString("# Problems\n\n" +
		"Every error of the HTTP surface is an RFC 9457 problem document, `application/problem+json`:\n\n" +
		"```json\n" + strings.TrimSpace(string(ProblemPosition.AppendTo(nil, "…", nil))) + "\n```\n\n" +
		"`type` is what programs look at: it is stable, and one that is gone is not given to anything else. `title` and\n" +
		"`detail` are for people and may improve; `detail` says what was wrong with this request and what would be right.\n" +
		"A WebSocket handshake that fails keeps the status RFC 6455 asks for, which may differ from the one listed here,\n" +
		"and is the last response on its connection. A command of a session fails with the same types.\n\n" +
		"How connections and streams end is in [codes.md](codes.md). This page is made from the table in `clientproto/problems_table.go`\n" +
		"by " + how + ".\n\n" +
		"| type, after `" + ProblemBase + "` | status | title | what to do |\n|---|---|---|---|\n")
	for _, p := range Problems() {
		fmt.Fprintf(&page, "| <a id=\"%s\"></a>`%s` | %d %s | %s | %s |\n", p.Name, p.Name, p.Status, http.StatusText(p.Status), p.Title, p.Remedy)
	}
	return page.String()
}

func codesPage() string {
	var page strings.Builder
	page.WriteString("# Codes\n\n" +
		"Why a connection or a stream ended, and why publications are missing. Numbers and names are stable, and one that is gone is not given to\n" +
		"anything else. Failed requests and commands are in [problems.md](problems.md). This page is made from the tables in\n" +
		"`clientproto/codes_table.go` and `clientproto/codes_gap.go` by " + how + ".\n\n" +
		"## Ends\n\n" +
		"A WebSocket ends with one of these as its close code. Where there is no close frame, the same codes are in the `end` of a stream:\n" +
		"`{\"code\":4401,\"reason\":\"token expired\",\"reconnect\":false}`. `reason` is for people. `reconnect` is true where the table says " + ReconnectDelayed.String() + ": the\n" +
		"client comes back as it is. It is false where something has to be different, which the table says, or where it stays away. A Go\n" +
		"program that ends a session with a code of its own decides itself. Own codes are statuses of HTTP with 4000 added. After a code that is not\n" +
		"here a client goes by `reconnect`, or if there is only a close frame does the same as after " + strconv.Itoa(CloseAbnormal) + ".\n\n" +
		"| code | name | meaning | reconnect | what ends with it |\n|---|---|---|---|---|\n")
	for _, c := range Codes() {
		fmt.Fprintf(&page, "| <a id=\"%d\"></a>%d | `%s` | %s | %s | %s |\n", c.Number, c.Number, c.Name, c.Meaning, c.Reconnect, ends(c.Carriers))
	}
	page.WriteString("\n## Reconnecting\n\n| reconnect | what a client does |\n|---|---|\n")
	for _, r := range reconnects {
		fmt.Fprintf(&page, "| %s | %s |\n", r.name, r.meaning)
	}
	page.WriteString("\n## Reasons of gaps\n\n" +
		"A gap says which publications will not come, and why. Without a reason it is `" + GapLost + "`, the only one that is a loss: the others were\n" +
		"left out on purpose, and recovery has nothing to do.\n\n" +
		"| reason | the publications were not delivered because |\n|---|---|\n")
	for _, r := range GapReasons() {
		fmt.Fprintf(&page, "| `%s` | %s |\n", r.Name, r.Meaning)
	}
	page.WriteString("\n## Retired\n\nWhat is not used any more keeps its number and its name: " + cmp.Or(strings.Join(retired, ", "), "nothing so far") + ".\n")
	return page.String()
}

func ends(on Carriers) string {
	var where []string
	for i, what := range []string{"a channel's WebSocket", "a channel's stream", "a session"} {
		if on&(1<<i) != 0 {
			where = append(where, what)
		}
	}
	return cmp.Or(strings.Join(where, ", "), "not sent by Godwit")
}

func typeScriptKeys() string {
	return "// Made from the table of package clientproto by " + how + ". DO NOT EDIT.\n\n" +
		"/** The names for which the numbers stand that CBOR has as keys (docs/protocol.md §10.2). */\n" +
		"export const keys: readonly string[] =\n  \"" + strings.Join(keyNames[:], " ") + "\".split(\" \")\n"
}

func typeScript() string {
	var ts strings.Builder
	ts.WriteString("// Made from the tables of package clientproto by " + how + ". DO NOT EDIT.\n\n" +
		"/** The codes with which a WebSocket closes, or which the `end` of a stream has. Numbers are never reused. */\n" +
		"export const CloseCode = {\n")
	for _, c := range Codes() {
		fmt.Fprintf(&ts, "  /** %s */\n  %s: %d,\n", c.Meaning, pascal(c.Name), c.Number)
	}
	ts.WriteString("} as const\nexport type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]\n\n" +
		"/** What a client does after an end. */\nexport const Reconnect = {\n")
	for _, r := range reconnects {
		fmt.Fprintf(&ts, "  /** %s */\n  %s: %q,\n", r.meaning, pascal(r.name), r.name)
	}
	ts.WriteString("} as const\nexport type Reconnect = (typeof Reconnect)[keyof typeof Reconnect]\n\n" +
		"/** What a client does after each code; after one that is not here it does the same as after CloseCode.Abnormal. */\n" +
		"export const reconnectAfter: Readonly<Record<CloseCode, Reconnect>> = {\n")
	for _, c := range Codes() {
		// Literals, which a bundler can leave out where they are not used.
		fmt.Fprintf(&ts, "  %d: %q, // %s\n", c.Number, c.Reconnect.String(), pascal(c.Name))
	}
	ts.WriteString("}\n\n/** The same the other way round, and shorter: the codes of each but Reconnect.Delayed. */\n" +
		"export const codesAfter: Readonly<Record<Exclude<Reconnect, \"delayed\">, readonly number[]>> = {\n")
	for _, r := range reconnects[1:] {
		var numbers []string
		for _, c := range Codes() {
			if c.Reconnect.String() == r.name {
				numbers = append(numbers, strconv.Itoa(int(c.Number)))
			}
		}
		fmt.Fprintf(&ts, "  %q: [%s],\n", r.name, strings.Join(numbers, ", "))
	}
	ts.WriteString("}\n\n/** Why publications were not delivered. Only Lost is a loss: the others were left out on purpose. */\nexport const GapReason = {\n")
	for _, r := range GapReasons() {
		fmt.Fprintf(&ts, "  /** %s */\n  %s: %q,\n", r.Meaning, pascal(r.Name), r.Name)
	}
	ts.WriteString("} as const\nexport type GapReason = (typeof GapReason)[keyof typeof GapReason]\n\n" +
		"/** What the type of every problem begins with. */\nexport const problemBase = \"" + ProblemBase + "\"\n\n" +
		"/** The types of problems, after problemBase. Names are never reused. */\nexport const ProblemType = {\n")
	for _, p := range Problems() {
		fmt.Fprintf(&ts, "  /** %s (%d). %s */\n  %s: %q,\n", p.Title, p.Status, p.Remedy, pascal(p.Name), p.Name)
	}
	ts.WriteString("} as const\nexport type ProblemType = (typeof ProblemType)[keyof typeof ProblemType]\n\n" +
		"/** The names of members by their number in godwit.v1.cbor. Numbers are never reused. */\nexport const keys = [\n")
	for _, name := range Keys() {
		fmt.Fprintf(&ts, "  %q,\n", name)
	}
	fmt.Fprintf(&ts, "] as const\n\n/** The tag of CBOR for a byte string that is the text of a JSON value. */\nexport const tagJSON = %d\n", TagJSON)
	return ts.String()
}

// pascal is a name of the tables as a name in TypeScript: TooMany for too-many.
func pascal(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
