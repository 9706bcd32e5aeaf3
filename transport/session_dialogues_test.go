package transport

import (
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

// pushes are what a session is sent without having asked (docs/protocol.md §5, §7), and
// why no dialogue shows it if none does.
var sessionPushes = map[string]string{
	`{"channel":`:      "",
	`{"gap":{`:         "",
	`{"join":{`:        "",
	`{"leave":{`:       "",
	`{"presence":{`:    "it takes more members than a dialogue can have",
	`{"message":{`:     "",
	`{"expiring":{`:    "",
	`{"reconnect":{`:   "it takes more sessions than a dialogue can have",
	`{"end":{`:         "",
	`{"call":{`:        "",
	`{"call_over":{`:   "",
	`{"error":{`:       "",
	`{"id":9,"ok":{`:   "",
	`{"poll":`:         "",
	`"duplicate":true`: "",
}

// Every command, every push and every error that a command can have stands in a
// dialogue: one that is added without fails here.
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
	for push, why := range sessionPushes {
		if has := strings.Contains(heard.String(), push); has == (why != "") {
			t.Errorf("is %s in a dialogue: %v; %s", push, has, why)
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
