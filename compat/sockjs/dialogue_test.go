package sockjs_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/transport"
)

// Dialogues, line by line: testdata/*.txt has requests with their answers, and WebSockets
// with the messages that they hear.
//
//	> POST /sockjs/chat/000/one/xhr BODY     a request
//	< 200 o\n                                its status and content
//	> open A /sockjs/chat/000/two/websocket  opens a WebSocket
//	> A ["hello"]                            sends
//	< A a["hello"]                           what it hears next
func TestDialogues(t *testing.T) {
	granted, err := access.ParseGrants(map[string][]string{"subscribe": {"chat/**", "chat"}, "publish": {"chat/**", "chat"}})
	if err != nil {
		t.Fatal(err)
	}
	guard := transport.Identify(func(r *transport.Request) (*access.Identity, error) {
		if strings.Contains(r.Query(), "key=wrong") {
			return nil, errWho
		}
		return &access.Identity{Kind: access.Application, User: "ann", Grants: granted}, nil
	})
	golden.Play(t, "testdata/*.txt", func(t *testing.T, text string) (got string) {
		onBoth(t, siteOptions{transport: transport.Options{Guard: guard}}, func(t *testing.T, s *site) {
			before := got // on the other driver
			got = s.play(text)
			if difference := golden.Difference(before, got); before != "" && difference != "" {
				t.Errorf("on the other driver it is another one\n%s", difference)
			}
		})
		return got
	})
}

// varies is what differs from one run to the next.
var varies = regexp.MustCompile(`[0-9A-Z]{10}:|20[0-9]{2}-[0-9:.TZ-]*Z`)

// play does what a script says, and returns it with what was answered.
func (s *site) play(script string) string {
	var out strings.Builder
	sockets := make(map[string]*socket)
	say := func(format string, args ...any) {
		text := varies.ReplaceAllString(fmt.Sprintf(format, args...), "VARIES")
		out.WriteString("< " + strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(text) + "\n")
	}
	for text := range strings.Lines(script) {
		text = strings.TrimSuffix(text, "\n")
		if answer, ok := strings.CutPrefix(text, "< "); ok {
			name, _, _ := strings.Cut(answer, " ")
			if c := sockets[name]; c != nil {
				_, p, err := c.conn.Read(c.ctx)
				if err != nil {
					p = fmt.Append(nil, err)
				}
				say("%s %s", name, p)
			}
			continue // those of requests have been written
		}
		out.WriteString(text + "\n")
		command, ok := strings.CutPrefix(text, "> ")
		if !ok {
			continue
		}
		verb, rest, _ := strings.Cut(command, " ")
		switch c := sockets[verb]; {
		case c != nil:
			c.send(rest)
		case verb == "open":
			name, path, _ := strings.Cut(rest, " ")
			sockets[name] = s.dial(path, nil)
		default:
			path, body, _ := strings.Cut(rest, " ")
			var fields []string
			if strings.HasPrefix(path, "/channels/") {
				fields = []string{"Content-Type", "text/plain"}
			}
			status, answer := s.do(verb, path, body, fields...)
			say("%d %s", status, answer)
		}
	}
	return out.String()
}
