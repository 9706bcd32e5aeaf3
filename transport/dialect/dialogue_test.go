package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/wire"
)

// Each dialect alone, without a hub: what goes in, and what comes out.

// turn is one call of a dialect and what it leads to, see describe. The call
// depends on the type of in: nil is Begin, a Frame is received, pushes are pushed,
// an error is the end, and after a time the deadline has passed, if it has.
type turn struct {
	in   any
	want string
}

var (
	epoch   = time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC)
	options = &StreamOptions{Heartbeat: 15 * time.Second, Reconnect: func(at int32) (time.Duration, int32) {
		if at != FirstDelay {
			return 0, at
		}
		return 2 * time.Second, 100
	}}
	broken = errors.New("broken on purpose")
)

func at(n uint64) hub.Position { return hub.Position{Epoch: "e", Offset: n} }

func delivered(n uint64, data string) hub.Push {
	return hub.Push{Channel: "c", Delivery: &hub.Delivery{Publication: &hub.Publication{
		Channel: "c", Position: at(n), Time: epoch, Data: []byte(data),
	}}}
}

func gap(from, to uint64) hub.Push {
	return hub.Push{Channel: "c", Gap: &hub.Gap{From: at(from), To: at(to)}}
}

func expiredGap(from, to uint64) hub.Push {
	return hub.Push{Channel: "c", Gap: &hub.Gap{From: at(from), To: at(to), Reason: hub.GapExpired}}
}

func leftOut(from, to uint64, reason hub.GapReason, count int) hub.Push {
	return hub.Push{Channel: "c", Gap: &hub.Gap{From: at(from), To: at(to), Reason: reason, Count: count}}
}

func behind() hub.Push { return hub.Push{Channel: "c", Behind: &hub.Behind{Err: broken}} }
func level() hub.Push  { return hub.Push{Channel: "c", Behind: &hub.Behind{}} }
func away() hub.Push   { return hub.Push{Behind: &hub.Behind{Err: broken}} }
func back() hub.Push   { return hub.Push{Behind: &hub.Behind{}} }

func subscribed(n uint64) hub.Push {
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagBegin, Command: hub.CommandSubscribe, Channel: "c", Position: at(n)}}
}

func failed(command hub.Command, err error) hub.Push {
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagBegin, Command: command, Channel: "c", Err: err}}
}

func page(n uint64, g *hub.Gap, pushes ...hub.Push) hub.Push {
	p := hub.Page{Position: at(n), Gap: g}
	for _, push := range pushes {
		p.Publications = append(p.Publications, push.Delivery.Publication)
	}
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagRead, Command: hub.CommandHistory, Channel: "c", Page: p}}
}

func published(n uint64, isDuplicate bool) hub.Push {
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagBegin, Command: hub.CommandPublish, Channel: "c", Position: at(n), Duplicate: isDuplicate}}
}

func socketOfJSON() *Socket {
	s := NewSocket("c", false, hub.SubscribeOptions{})
	s.PublishJSON()
	return s
}

var (
	denied  = &access.Refusal{Cause: access.Denied, Reason: "a grant is missing"}
	tooMany = &access.Refusal{Cause: access.TooMany, Reason: "too many"}
	expired = &access.Refusal{Cause: access.Expired, Reason: "token expired"}
)

func present(members ...hub.Member) hub.Push {
	return rosterOf(hub.Roster{Members: members, Count: len(members)})
}

func rosterOf(r hub.Roster) hub.Push {
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagBegin, Command: hub.CommandPresence, Channel: "c", Roster: &r}}
}

func socketOfPage() *Socket {
	s := NewSocket("c", false, hub.SubscribeOptions{})
	s.OpenToRefuse()
	return s
}

func eventsOfPage() *Stream {
	s := NewEvents("c", hub.SubscribeOptions{}, options)
	s.ForPage()
	return s
}

func headOfEvents() *Stream {
	s := NewEvents("c", hub.SubscribeOptions{}, options)
	s.HeadOnly()
	return s
}

func pushes(p ...hub.Push) []hub.Push { return p }

const envelopeOf = `{"channel":"c","position":"e:%d","time":"2026-11-21T09:30:00Z","data":"%s"}`

func TestDialects(t *testing.T) {
	since := hub.SubscribeOptions{Since: at(3), ExcludeSelf: true}
	for _, test := range []struct {
		about string
		d     Dialect
		turns []turn
	}{
		{"a bare socket", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), delivered(8, "a"), delivered(9, "b")), `answer 101; text "a"; text "b"`},
			{Frame{Data: []byte("x")}, `publish c "x"`},
			{Frame{Binary: true, Data: []byte{0}}, `publish c binary "\x00"`},
			{pushes(), ``},
			{pushes(behind(), away(), back(), level()), ``}, // nothing is lost, and there is no place to say so
			{pushes(gap(9, 12), delivered(13, "c")), `close 4410 position lost, lost`},
		}},
		{"a socket with envelopes", NewSocket("c", true, since), []turn{
			{nil, `subscribe c since e:3 without its own`},
			{pushes(subscribed(3), gap(3, 7), delivered(8, "a")), `answer 101 at e:3; text "{\"gap\":{\"from\":\"e:3\",\"to\":\"e:7\"}}"; text ` + fmt.Sprintf("%q", fmt.Sprintf(envelopeOf, 8, "a"))},
			{pushes(behind(), away()), text(`{"behind":{"is":true,"detail":"`+detailBehind+`"}}`) + "; " + text(`{"behind":{"is":true,"detail":"`+detailAway+`"}}`)},
			{pushes(delivered(9, "b"), back()), text(fmt.Sprintf(envelopeOf, 9, "b")) + "; " + text(`{"behind":{"is":false}}`)},
		}},
		{"a socket of JSON", socketOfJSON(), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{Frame{Data: []byte(`{"a":1}`)}, `publish c JSON "{\"a\":1}"`},
			{Frame{Binary: true, Data: []byte{0}}, `publish c binary "\x00"`},
			{Frame{Data: []byte(`hello`)}, `publish c JSON "hello"`},
			{pushes(delivered(8, "a"), failed(hub.CommandPublish, hub.ErrNotJSON)), `text "a"; close 1007 not JSON: on this socket every text message is one valid JSON value, refused`},
		}},
		{"a socket whose messages are refused", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{pushes(failed(hub.CommandPublish, hub.ErrTextNotUTF8)), `close 1007 text publication is not valid UTF-8, refused`},
		}},
		{"a socket whose message is too long", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), delivered(8, "a"), failed(hub.CommandPublish, fmt.Errorf("%w: far", hub.ErrTooLarge)), delivered(9, "b")), `answer 101; text "a"; close 1009 publication too large: far, refused`},
		}},
		{"a socket whose broker fails", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{pushes(failed(hub.CommandPublish, broken)), `close 1011 could not publish, failure`},
		}},
		{"a socket that publishes during shutdown", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{pushes(failed(hub.CommandPublish, hub.ErrShutdown)), `close 1001 going away, shutdown`},
		}},
		{"a socket that is refused", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, broken)), `refuse broken on purpose; over, failure`},
		}},
		{"a socket whose publications expire", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), expiredGap(7, 9), delivered(10, "a")), `answer 101; text "a"`},
		}},
		{"a socket with envelopes whose publications expire", NewSocket("c", true, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), expiredGap(7, 9)), `answer 101 at e:7; text "{\"gap\":{\"from\":\"e:7\",\"to\":\"e:9\",\"reason\":\"expired\"}}"`},
		}},
		{"a socket that is not given everything", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), leftOut(7, 9, hub.GapConflated, 2), delivered(10, "a"), leftOut(10, 11, hub.GapRate, 1), leftOut(11, 12, hub.GapDropped, 1), delivered(13, "b")), `answer 101; text "a"; text "b"`},
		}},
		{"a socket with envelopes that is not given everything", NewSocket("c", true, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7), leftOut(7, 9, hub.GapConflated, 2), leftOut(9, 12, hub.GapDropped, 3)), `answer 101 at e:7; ` +
				`text "{\"gap\":{\"from\":\"e:7\",\"to\":\"e:9\",\"reason\":\"conflated\",\"count\":2}}"; text "{\"gap\":{\"from\":\"e:9\",\"to\":\"e:12\",\"reason\":\"dropped\",\"count\":3}}"`},
		}},
		{"a socket that is too slow", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{hub.ErrSlow, `close 4507 too slow, slow`},
		}},
		{"a socket that may not subscribe", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, denied)), `refuse a grant is missing; over, refused`},
		}},
		{"a page whose socket may not subscribe", socketOfPage(), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, denied)), `answer 101; close 4403 a grant is missing, refused`},
		}},
		{"a socket that may not publish", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{pushes(failed(hub.CommandPublish, denied)), `close 4403 a grant is missing, refused`},
		}},
		{"a socket with envelopes that publishes too often", NewSocket("c", true, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101 at e:7`},
			{pushes(failed(hub.CommandPublish, tooMany), delivered(8, "a")), `text "{\"error\":{\"code\":4429,\"reason\":\"too many\",\"reconnect\":true}}"; text ` + fmt.Sprintf("%q", fmt.Sprintf(envelopeOf, 8, "a"))},
		}},
		{"a socket whose token expires", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{expired, `close 4401 token expired, refused`},
		}},
		{"a socket that is ended by somebody", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{&hub.Ended{Code: 4123, Reason: strings.Repeat("ü", 70)}, `close 4123 ` + strings.Repeat("ü", 60) + `…, refused`},
		}},
		{"a socket at the end", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{time.Hour, ``},
			{hub.ErrShutdown, `close 1001 going away, shutdown`},
		}},
		{"a socket that has too much to do", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 101`},
			{hub.ErrTooManyCommands, `close 1011 too many commands, failure`},
		}},
		{"the end before a socket is open", NewSocket("c", false, hub.SubscribeOptions{}), []turn{
			{nil, `subscribe c`},
			{hub.ErrShutdown, `refuse hub: shutting down; over, shutdown`},
		}},
		{"events", NewEvents("c", since, options), []turn{
			{nil, `subscribe c since e:3 without its own`},
			{time.Hour, ``}, // no heartbeat before it is open
			{pushes(subscribed(3), delivered(4, "a\nb")), `answer 200 text/event-stream; charset=utf-8 at e:3; "retry: 2000\nid: e:3\nevent: position\ndata: e:3\n\n"; "id: e:4\ndata: a\ndata: b\n\n"`},
			{15*time.Second - 1, ``},
			{time.Duration(1), `":\n\n"`},
			{10 * time.Second, ``},
			{pushes(gap(4, 9)), `"id: e:9\nevent: gap\ndata: {\"from\":\"e:4\",\"to\":\"e:9\"}\n\n"`},
			{15*time.Second - 1, ``},
			{time.Duration(1), `":\n\n"`},
			{pushes(delivered(10, "c"), behind()), `"id: e:10\ndata: c\n\n"; ` + fmt.Sprintf("%q", `event: behind`+"\n"+`data: {"is":true,"detail":"`+detailBehind+`"}`+"\n\n")},
			{pushes(level()), `"event: behind\ndata: {\"is\":false}\n\n"`},
		}},
		{"events that are not all given", NewEvents("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(3), leftOut(3, 7, hub.GapRate, 4), delivered(8, "a")), `answer 200 text/event-stream; charset=utf-8 at e:3; "retry: 2000\nid: e:3\nevent: position\ndata: e:3\n\n"; "id: e:7\nevent: gap\ndata: {\"from\":\"e:3\",\"to\":\"e:7\",\"reason\":\"rate\",\"count\":4}\n\n"; "id: e:8\ndata: a\n\n"`},
			{hub.ErrSlow, `"event: end\ndata: {\"code\":4507,\"reason\":\"too slow\",\"reconnect\":true}\n\n"; over, slow`},
		}},
		{"events that may not be had", NewEvents("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, denied)), `refuse a grant is missing; over, refused`},
		}},
		{"events that a page may not have", eventsOfPage(), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, denied)), `answer 200 text/event-stream; charset=utf-8; "retry: 60000\nevent: end\ndata: {\"code\":4403,\"reason\":\"a grant is missing\",\"reconnect\":false}\n\n"; over, refused`},
		}},
		{"events for which a page is too many", eventsOfPage(), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, tooMany)), `answer 200 text/event-stream; charset=utf-8; "event: end\ndata: {\"code\":4429,\"reason\":\"too many\",\"reconnect\":true}\n\n"; over, refused`},
		}},
		{"events whose token expires", NewEvents("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 200 text/event-stream; charset=utf-8 at e:7; "retry: 2000\nid: e:7\nevent: position\ndata: e:7\n\n"`},
			{expired, `"retry: 60000\nevent: end\ndata: {\"code\":4401,\"reason\":\"token expired\",\"reconnect\":false}\n\n"; over, refused`},
		}},
		{"the head of events", headOfEvents(), []turn{
			{nil, `may subscribe c`},
			{pushes(subscribed(7)), `answer 200 text/event-stream; charset=utf-8; over, client`},
		}},
		{"the head of events that may not be had", headOfEvents(), []turn{
			{nil, `may subscribe c`},
			{pushes(failed(hub.CommandSubscribe, denied)), `refuse a grant is missing; over, refused`},
		}},
		{"lines whose token is revoked", NewLines("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(7)), `answer 200 application/x-ndjson at e:7; "{}\n"`},
			{&hub.Ended{Code: 4000, Reason: "bye", Reconnect: true}, `"{\"end\":{\"code\":4000,\"reason\":\"bye\",\"reconnect\":true}}\n"; over, refused`},
		}},
		{"presence", NewPresence("c", hub.PresenceQuery{}), []turn{
			{nil, `presence c`},
			{pushes(present(hub.Member{ID: "a", Transport: "sse", Since: epoch}, hub.Member{ID: "b", Transport: "ws", Since: epoch, User: "ann\"", Info: "{\"n\": 1}"})),
				`answer 200 application/json whole; "{\"channel\":\"c\",\"count\":2,\"connections\":[{\"id\":\"a\",\"transport\":\"sse\",\"since\":\"2026-11-21T09:30:00Z\"},{\"id\":\"b\",\"transport\":\"ws\",\"since\":\"2026-11-21T09:30:00Z\",\"user\":\"ann\\\"\",\"info\":{\"n\":1}}]}\n"; over, client`},
		}},
		{"a page of users, where somebody watches", NewPresence("c", hub.PresenceQuery{ByUser: true, Limit: 1}), []turn{
			{nil, `presence c by user limit 1`},
			{pushes(rosterOf(hub.Roster{Members: []hub.Member{{Since: epoch, User: "ann", Sessions: 2}}, Count: 7, Users: 3, Version: 12, Next: "n"})),
				`answer 200 application/json whole; "{\"channel\":\"c\",\"count\":7,\"users\":3,\"version\":12,\"members\":[{\"since\":\"2026-11-21T09:30:00Z\",\"user\":\"ann\",\"sessions\":2}],\"cursor\":\"n\"}\n"; over, client`},
		}},
		{"a count of presence", NewPresence("c", hub.PresenceQuery{CountOnly: true}), []turn{
			{nil, `presence c count`},
			{pushes(rosterOf(hub.Roster{Count: 7})), `answer 200 application/json whole; "{\"channel\":\"c\",\"count\":7}\n"; over, client`},
		}},
		{"presence that may not be seen", NewPresence("c", hub.PresenceQuery{}), []turn{
			{nil, `presence c`},
			{pushes(failed(hub.CommandPresence, denied)), `refuse a grant is missing; over, client`},
		}},
		{"events that are refused", NewEvents("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, broken)), `answer 200 text/event-stream; charset=utf-8; "retry: 2000\n\n"; over, failure`},
		}},
		{"the end before events are open", NewEvents("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{hub.ErrShutdown, `answer 200 text/event-stream; charset=utf-8; "retry: 2000\n\n"; over, shutdown`},
		}},
		{"events after an id that makes no sense", NewEvents("c", hub.SubscribeOptions{Since: hub.Position{Epoch: LostEpoch}}, options), []turn{
			{nil, `subscribe c since ?:0`},
			{pushes(hub.Push{Outcome: &hub.Outcome{Tag: tagBegin, Command: hub.CommandSubscribe, Position: hub.Position{Epoch: LostEpoch}}}), `answer 200 text/event-stream; charset=utf-8; "retry: 2000\n\n"`},
			{hub.ErrClosed, `"retry: 2000\n\n"; over, shutdown`},
		}},
		{"lines", NewLines("c", hub.SubscribeOptions{Last: 2}, options), []turn{
			{nil, `subscribe c last 2`},
			{pushes(subscribed(3)), `answer 200 application/x-ndjson at e:3; "{}\n"`},
			{pushes(delivered(4, "a")), fmt.Sprintf("%q", fmt.Sprintf(envelopeOf+"\n", 4, "a"))},
			{Frame{Data: []byte("x")}, ``}, // nobody can say anything there
			{pushes(gap(4, 9)), `"{\"gap\":{\"from\":\"e:4\",\"to\":\"e:9\"}}\n"`},
			{15 * time.Second, `"{}\n"`},
			{hub.ErrShutdown, `over, shutdown`},
		}},
		{"lines that are not all given", NewLines("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(subscribed(3)), `answer 200 application/x-ndjson at e:3; "{}\n"`},
			{pushes(leftOut(3, 7, hub.GapDropped, 4)), `"{\"gap\":{\"from\":\"e:3\",\"to\":\"e:7\",\"reason\":\"dropped\",\"count\":4}}\n"`},
			{hub.ErrSlow, `"{\"end\":{\"code\":4507,\"reason\":\"too slow\",\"reconnect\":true}}\n"; over, slow`},
		}},
		{"lines that are refused", NewLines("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{pushes(failed(hub.CommandSubscribe, hub.ErrShutdown)), `refuse hub: shutting down; over, shutdown`},
		}},
		{"the end before lines are open", NewLines("c", hub.SubscribeOptions{}, options), []turn{
			{nil, `subscribe c`},
			{hub.ErrShutdown, `refuse hub: shutting down; over, shutdown`},
		}},
		{"a page", NewPage(PageRequest{Channel: "c", Query: &hub.Query{Last: 2}, BytesMax: 1000}), []turn{
			{nil, `history c`},
			{pushes(page(4, nil, delivered(3, "a"), delivered(4, "b"))), pageOf(4, false, 0, fmt.Sprintf(envelopeOf, 3, "a"), fmt.Sprintf(envelopeOf, 4, "b"))},
		}},
		{"a page after a gap", NewPage(PageRequest{Channel: "c", BytesMax: 1000}), []turn{
			{nil, `history c`},
			{pushes(page(4, &hub.Gap{}, delivered(4, "b"))), pageOf(4, true, 0, fmt.Sprintf(envelopeOf, 4, "b"))},
		}},
		{"a page that is cut", NewPage(PageRequest{Channel: "c", BytesMax: 1}), []turn{
			{nil, `history c`},
			{pushes(page(4, nil, delivered(3, "a"), delivered(4, "b"))), pageOf(3, false, 0, fmt.Sprintf(envelopeOf, 3, "a"))},
		}},
		{"a position", NewPage(PageRequest{Channel: "c", IsPositionOnly: true}), []turn{
			{nil, `history c`},
			{pushes(page(4, nil, delivered(4, "b"))), pageOf(4, false, 0)},
		}},
		{"a page that fails", NewPage(PageRequest{Channel: "c"}), []turn{
			{nil, `history c`},
			{pushes(hub.Push{Outcome: &hub.Outcome{Tag: tagRead, Command: hub.CommandHistory, Err: broken}}), `refuse broken on purpose; over, failure`},
		}},
		{"a poll to which something comes", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{19 * time.Second, ``},
			{pushes(waits(nil)), ``},
			{pushes(delivered(5, "a"), delivered(6, "b"), delivered(7, "c")), pageOf(6, false, 20, fmt.Sprintf(envelopeOf, 5, "a"), fmt.Sprintf(envelopeOf, 6, "b"))},
		}},
		{"a poll to which something comes at once", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{pushes(waits(nil), delivered(5, "a")), pageOf(5, false, 20, fmt.Sprintf(envelopeOf, 5, "a"))},
		}},
		{"a poll to which a gap comes", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{pushes(waits(nil), gap(4, 9)), pageOf(9, true, 20)},
		}},
		{"a poll that expires", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{20 * time.Second, pageOf(4, false, 20)},
		}},
		{"a poll that has something to tell", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil, delivered(4, "a"))), pageOf(4, false, 20, fmt.Sprintf(envelopeOf, 4, "a"))},
		}},
		{"a poll that is not to wait", NewPage(PageRequest{Channel: "c", Query: &hub.Query{}, Waits: true}), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), pageOf(4, false, -1)},
		}},
		{"a poll at the end", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{hub.ErrShutdown, pageOf(4, false, 20)},
		}},
		{"a poll that has too much to do", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{hub.ErrTooManyCommands, `refuse ` + hub.ErrTooManyCommands.Error() + `; over, failure`},
		}},
		{"a poll that cannot subscribe", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{pushes(waits(broken)), `refuse broken on purpose; over, failure`},
		}},
		{"a poll that is behind", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{pushes(waits(nil), behind()), ``},
			{20 * time.Second, `refuse broken on purpose; over, failure`},
		}},
		{"a poll that is level again", poll(), []turn{
			{nil, `history c`},
			{pushes(page(4, nil)), `subscribe c since e:4`},
			{pushes(waits(nil), behind()), ``},
			{pushes(level(), delivered(5, "a")), pageOf(5, false, 20, fmt.Sprintf(envelopeOf, 5, "a"))},
		}},
		{"a publication", post(), []turn{
			{nil, `publish c "x"`},
			{pushes(), ``},
			{pushes(published(5, false)), `answer 201 application/json whole; "{\"position\":\"e:5\"}\n"; over, client`},
		}},
		{"a publication that was made", post(), []turn{
			{nil, `publish c "x"`},
			{pushes(published(5, true)), `answer 201 application/json whole again; "{\"position\":\"e:5\"}\n"; over, client`},
		}},
		{"a publication that fails", post(), []turn{
			{nil, `publish c "x"`},
			{pushes(failed(hub.CommandPublish, broken)), `refuse broken on purpose; over, client`},
		}},
		{"a publication at the end", post(), []turn{
			{nil, `publish c "x"`},
			{hub.ErrClosed, `refuse hub: closed; over, shutdown`},
		}},
	} {
		t.Run(test.about, func(t *testing.T) { converse(t, test.d, test.turns) })
	}
}

// poll is a page that waits.
// text is a text message that is sent.
func text(s string) string { return fmt.Sprintf("text %q", s) }

func poll() *Page {
	return NewPage(PageRequest{Channel: "c", Query: &hub.Query{Limit: 2}, Waits: true, Wait: 20 * time.Second, BytesMax: 1000})
}

// waits is the outcome of the subscription of a poll.
func waits(err error) hub.Push {
	return hub.Push{Channel: "c", Outcome: &hub.Outcome{Tag: tagWait, Command: hub.CommandSubscribe, Channel: "c", Position: at(4), Err: err}}
}

func post() *Post { return NewPost(hub.Message{Channel: "c", Data: []byte("x")}) }

// pageOf is a page as describe shows it; wait is 0 for one without Prefer, and -1
// for wait=0.
func pageOf(position uint64, hasGap bool, wait int, envelopes ...string) string {
	preference := ""
	if wait != 0 {
		preference = fmt.Sprint(" wait ", max(0, wait))
	}
	body := fmt.Sprintf(`{"channel":"c","position":"e:%d","publications":[%s],"gap":%v}`+"\n", position, strings.Join(envelopes, ","), hasGap)
	return fmt.Sprintf("answer 200 application/json whole%s; %q; over, client", preference, body)
}

func converse(t *testing.T, d Dialect, turns []turn) {
	now := epoch
	for i, turn := range turns {
		var e Effects
		switch in := turn.in.(type) {
		case nil:
			d.Begin(now, &e)
		case Frame:
			data := bytes.Clone(in.Data)
			d.Receive(now, Frame{in.Binary, data}, &e)
			clear(data) // it was the carrier's
		case []hub.Push:
			d.Push(now, in, &e)
		case error:
			d.End(in, &e)
		case time.Duration:
			now = now.Add(in)
			if deadline := d.Deadline(); !deadline.IsZero() && !now.Before(deadline) {
				d.Expire(now, &e)
			}
		}
		if got := describe(d, &e); got != turn.want {
			t.Fatalf("turn %d:\n got %s\nwant %s", i, got, turn.want)
		}
		if e.Closing != nil && i < len(turns)-1 {
			t.Fatalf("it is over at turn %d of %d", i, len(turns))
		}
	}
}

// describe shows effects in the order in which they happen, separated by "; ".
func describe(d Dialect, e *Effects) string {
	var parts []string
	add := func(format string, args ...any) {
		parts = append(parts, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
	for _, c := range e.Commands {
		switch c.Kind {
		case hub.CommandPublish:
			kind := map[hub.Kind]string{hub.Binary: "binary ", hub.JSON: "JSON "}[c.Message.Kind]
			add("publish %s %s%q", c.Channel, kind, c.Message.Data)
		case hub.CommandHistory:
			add("history %s", c.Channel)
		case hub.CommandPresence:
			text := "presence " + c.Channel
			if c.Presence.ByUser {
				text += " by user"
			}
			if c.Presence.Limit > 0 {
				text += fmt.Sprint(" limit ", c.Presence.Limit)
			}
			if c.Presence.CountOnly {
				text += " count"
			}
			add("%s", text)
		case 0:
			add("may %s %s", c.Action, c.Channel)
		case hub.CommandSubscribe:
			text := "subscribe " + c.Channel
			if !c.Subscribe.Since.IsZero() {
				text += " since " + c.Subscribe.Since.String()
			}
			if c.Subscribe.Last > 0 {
				text += fmt.Sprint(" last ", c.Subscribe.Last)
			}
			if c.Subscribe.ExcludeSelf {
				text += " without its own"
			}
			add("%s", text)
		}
	}
	_, isSocket := d.(*Socket)
	if a := e.Answer; a != nil && a.Err != nil {
		add("refuse %v", a.Err)
	} else if a != nil {
		text := fmt.Sprint("answer ", a.Status)
		for _, part := range []struct {
			is   bool
			text string
		}{
			{a.ContentType != "", a.ContentType}, {a.IsWhole, "whole"}, {a.Replayed, "again"},
			{a.HasWait, fmt.Sprint("wait ", a.Wait.Seconds())}, {!a.Position.IsZero(), "at " + a.Position.String()},
		} {
			if part.is {
				text += " " + part.text
			}
		}
		add("%s", text)
	}
	for _, frame := range e.Frames {
		if !isSocket {
			add("%q", frame)
			continue
		}
		h, n, err := wire.ParseHeader(frame)
		if err != nil || n == 0 || int(h.Length) != len(frame)-n || h.Masked || !h.Fin {
			add("%q is no frame", frame)
			continue
		}
		add("%v %q", h.Opcode, frame[n:])
	}
	if c := e.Closing; c != nil && c.Code != 0 {
		add("close %d %s, %s", c.Code, c.Reason, c.End)
	} else if c != nil {
		add("over, %s", c.End)
	}
	return strings.Join(parts, "; ")
}
