package pusher

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// Clients of other protocols publish under any name. None of them is heard as the server,
// which would end a connection, sign a user in or change the members.
func TestNobodyElseSpeaksAsTheServer(t *testing.T) {
	f := newFixture(t, nil)
	s := f.serve()
	ann := connect(t, s)
	ann.subscribe("presence-x", `{"user_id":"ann"}`)
	e := f.edge("x", "presence-x")
	defer e.Close()
	if h, err := ann.next(); err != nil || h.Event != "pusher_internal:member_added" { // it is told once the window of joins is over
		t.Fatalf("%+v, %v", h, err)
	}
	names := []string{"pusher:error", "pusher:signin_success", "pusher:ping", "pusher_internal:member_removed", "pusher_internal:subscription_succeeded"}
	for _, name := range names {
		for _, m := range []hub.Message{
			{Kind: hub.Text, Data: []byte(`{"user_id":"ann"}`), Attributes: &hub.Attributes{Event: name}},
			{Kind: hub.JSON, Data: []byte(`{"event":"` + name + `","data":{"user_id":"ann"}}`), Attributes: &hub.Attributes{Event: name, Shape: hub.ShapeFrame}},
		} {
			m.Channel = "presence-x"
			e.Publish(2, m)
			h, err := ann.next()
			if err != nil || h.Event != "message" {
				t.Errorf("%s is heard as %+v, %v", name, h, err)
			}
		}
		body, err := json.Marshal(map[string]any{"name": name, "data": "{}", "channel": "presence-x"})
		if err != nil {
			t.Fatal(err)
		}
		if status, answer := f.call("POST", "/apps/app/events", string(body)); status != 400 || !strings.Contains(answer, "the server's own") {
			t.Errorf("the API takes %s: %d %s", name, status, answer)
		}
	}
}
