package hub_test

import (
	"slices"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Every way to publish is watched, and the trace that it is given goes with the
// publication to the edges that deliver it.
func TestPublicationsAreWatched(t *testing.T) {
	for _, broker := range []hub.Broker{newBroker(), struct{ hub.Broker }{newBroker()}} { // the second one may wait
		var begun []string
		outcomes := make(chan hub.Published, 10)
		delivered := make(chan int, 10)
		traces := make(chan string, 10)
		h := newHub(t, broker, &hub.Options{Observer: &hub.Observer{
			Publishing: func(transport string, m hub.Message) (string, func(hub.Published)) {
				begun = append(begun, transport+" "+string(m.Data))
				if string(m.Data) == "plain" {
					return "", nil
				}
				return "own", func(p hub.Published) { outcomes <- p }
			},
			Delivered: func(p *hub.Publication, sessions int, began time.Time) {
				traces <- p.Attributes.Trace + " " + p.Attributes.Event
				delivered <- sessions
			},
		}})
		e := connect(t, h)
		if err := e.trySubscribe("c", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		given := &hub.Attributes{Event: "joke", Trace: "theirs"}
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: []byte("hub"), Attributes: given}); err != nil {
			t.Fatal(err)
		}
		answered := make(completed, 1)
		h.BeginPublish("post", hub.Message{Channel: "c", Data: []byte("begun")}, answered, 7)
		if err := (<-answered).Err; err != nil {
			t.Fatal(err)
		}
		if o := e.publish(hub.Message{Channel: "c", Data: []byte("session")}); o.Err != nil {
			t.Fatal(o.Err)
		}
		if o := e.publish(hub.Message{Channel: "c", Data: []byte("plain")}); o.Err != nil {
			t.Fatal(o.Err)
		}
		if o := e.publish(hub.Message{Channel: "c", Data: []byte{0xff}}); o.Err == nil {
			t.Fatal("it is not UTF-8")
		}
		if want := []string{" hub", "post begun", "test session", "test plain"}; !slices.Equal(begun, want) {
			t.Errorf("watched were %q, want %q", begun, want)
		}
		for i, want := range []string{"own joke", "own ", "own "} {
			if p := <-outcomes; p.Err != nil || p.Position.Offset != uint64(i+1) {
				t.Errorf("outcome %d is %+v", i, p)
			}
			if got := <-traces; got != want {
				t.Errorf("delivered was %q, want %q", got, want)
			}
			if n := <-delivered; n != 1 {
				t.Errorf("delivered to %d sessions", n)
			}
		}
		if given.Trace != "theirs" {
			t.Error("what the publisher has given was changed")
		}
		if len(outcomes)+len(delivered) > 0 {
			t.Error("something was watched twice, or without a trace")
		}
	}
}

// completed is a Completer.
type completed chan hub.Published

func (c completed) Published(_ uint64, p hub.Published) { c <- p }
