package transport

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/clientproto"
)

// notInDialogues are errors that no dialogue can show, and why.
var notInDialogues = map[*clientproto.Problem]string{
	clientproto.ProblemNotText:         "a command is JSON in UTF-8, so its text is, too",
	clientproto.ProblemNotJSON:         "a command is JSON, so a value in it is, too",
	clientproto.ProblemTooManyChannels: "the broker of dialogues has room for many",
	clientproto.ProblemCallFailed:      "dialogues have no handler that could fail",
}

// documentedPush is a push as docs/protocol.md has it: what a client sends there has an id, or another place.
var documentedPush = regexp.MustCompile("(?m)(?:^|`)(\\{\"[a-z_]+\":)[{\"]")

// sessionPushes are the messages that a session is sent without having asked, by their
// beginnings: all of docs/protocol.md §5 and §7, and what is said of replies elsewhere.
func sessionPushes(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	pushes := []string{`{"behind":{"is":true`, `{"behind":{"is":false`, `{"behind":{"channel":`, `{"error":{`, `{"id":9,"ok":{`, `{"poll":`, `"duplicate":true`}
	for _, section := range []string{"\n## 5. Pushes\n", "\n## 7. Methods\n"} {
		_, text, found := strings.Cut(string(page), section)
		text, _, ended := strings.Cut(text, "\n## ")
		if !found || !ended {
			t.Fatalf("docs/protocol.md has no section %q", section)
		}
		for _, push := range documentedPush.FindAllStringSubmatch(text, -1) {
			if begin := push[1]; begin != `{"register":` {
				pushes = append(pushes, begin)
			}
		}
	}
	slices.Sort(pushes)
	pushes = slices.Compact(pushes)
	if len(pushes) < 20 {
		t.Errorf("these are not all pushes: %q", pushes)
	}
	return pushes
}

// Every command, every push and every error that a command can have stands in a
// dialogue: one without a dialogue fails here.
func TestDialoguesAreWhole(t *testing.T) {
	var said, heard strings.Builder
	for _, s := range scripts(t) {
		if !s.usesSessions() {
			continue
		}
		for _, a := range s.acts {
			said.WriteString(a.data + "\n")
			for _, h := range a.heard {
				heard.WriteString(h.text + "\n")
			}
		}
	}
	for v := clientproto.Connect; v.String() != "unknown"; v++ {
		if !strings.Contains(said.String(), `"`+v.String()+`":{`) {
			t.Errorf("no dialogue has the command %v", v)
		}
	}
	for _, push := range sessionPushes(t) {
		if !strings.Contains(heard.String(), push) {
			t.Errorf("no dialogue has the push %s", push)
		}
	}
	problems := []*clientproto.Problem{
		clientproto.ProblemCommand, clientproto.ProblemNotConnected, clientproto.ProblemConnected, clientproto.ProblemMethodName,
		clientproto.ProblemChannelName, clientproto.ProblemTooLarge, clientproto.ProblemAttribute, clientproto.ProblemIdempotencyKey,
		clientproto.ProblemShutdown, clientproto.ProblemBroker, clientproto.ProblemForbidden, clientproto.ProblemUnauthorized,
		clientproto.ProblemTooManyRequests, clientproto.ProblemUndecided, clientproto.ProblemTooManyChannels,
	}
	for _, row := range commandErrors {
		problems = append(problems, row.problem)
	}
	for _, p := range problems {
		has, why := strings.Contains(heard.String(), p.Type()), notInDialogues[p]
		switch {
		case !has && why == "":
			t.Errorf("no dialogue has the error %s", p.Name)
		case has && why != "":
			t.Errorf("a dialogue has %s, of which it is said that none can: %s", p.Name, why)
		}
	}
}
