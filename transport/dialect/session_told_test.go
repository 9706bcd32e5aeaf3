package dialect

import (
	"errors"
	"testing"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// What the server does to a session is told as docs/protocol.md §5.4 says.
func TestWhatTheServerDoesIsTold(t *testing.T) {
	s := NewSessionLines(&SessionOptions{
		Heartbeat: time.Second, ConnectTimeout: time.Second,
		Reconnect: func(at int32) (time.Duration, int32) { return 0, at },
		Describe:  func(err error) Failure { return Failure{Problem: clientproto.ProblemForbidden, Detail: err.Error()} },
	})
	denied := errors.New("denied")
	for _, row := range []struct {
		o    hub.Outcome
		want string
	}{
		{hub.Outcome{Command: hub.CommandSubscribe, Channel: `a"b`, Position: hub.Position{Epoch: "E", Offset: 7}},
			`{"subscribed":{"channel":"a\"b","position":"E:7"}}` + "\n"},
		{hub.Outcome{Command: hub.CommandSubscribe, Channel: "a", Err: denied}, ""},
		{hub.Outcome{Command: hub.CommandUnsubscribe, Channel: "a", Err: denied},
			`{"unsubscribed":{"channel":"a","error":{"type":"https://godwit.io/problems/forbidden","title":"Not allowed","detail":"denied"}}}` + "\n"},
		{hub.Outcome{Command: hub.CommandUnregister, Channel: "sum/*", Err: denied},
			`{"unregistered":{"method":"sum/*","error":{"type":"https://godwit.io/problems/forbidden","title":"Not allowed","detail":"denied"}}}` + "\n"},
	} {
		var e Effects
		row.o.Tag = hub.ByServer
		s.Push(epoch, []hub.Push{{Channel: row.o.Channel, Outcome: &row.o}}, &e)
		if got := sent(&e); got != row.want {
			t.Errorf("%+v:\n%s\nwant\n%s", row.o, got, row.want)
		}
	}
}
