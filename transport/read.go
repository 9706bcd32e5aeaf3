package transport

import (
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport/dialect"
)

// readDialect negotiates how a channel is read.
func (t *Transport) readDialect(a *asked, channel string) (dialect.Dialect, *refusal) {
	chosen := negotiate(a.values("Accept"))
	if chosen == mediaNone {
		return nil, refuseMedia()
	}
	q, err := parseQueryOf(channel, a.query)
	if err != nil {
		return nil, refuseQuery(err)
	}
	switch chosen {
	case mediaEvents:
		id := strings.Clone(a.get("Last-Event-ID"))
		if id == "" {
			id = q.lastEventID
		}
		lost := resumeEvents(id, &q)
		events := dialect.NewEvents(channel, q.from(), &t.streams)
		if lost && q.pattern {
			events.LostVector()
		}
		return events, nil
	case mediaLines:
		return dialect.NewLines(channel, q.from(), &t.streams), nil
	}
	if q.pattern {
		return nil, &refusal{problem: ProblemChannelName, detail: "a page is of one channel, and so is a long poll; read the pattern " + quote(channel) +
			" as text/event-stream, as application/x-ndjson or over a WebSocket"}
	}
	return dialect.NewPage(t.pageRequest(a, channel, q)), nil
}

// refuseMedia is the answer to a request that accepts none of the types offered.
func refuseMedia() *refusal {
	extension := []byte(`,"offered":[`)
	names := ""
	for i, offer := range offers {
		if i > 0 {
			extension = append(extension, ',')
			names += ", "
		}
		extension = jsontext.AppendString(extension, offer.name)
		names += offer.name
	}
	return &refusal{problem: ProblemNotAcceptable, extension: append(extension, ']'),
		detail: "nothing in Accept is offered here; accept one of " + names + ", or open a WebSocket"}
}

// from is where a stream begins.
func (q *query) from() hub.SubscribeOptions {
	return hub.SubscribeOptions{Since: q.since, Last: max(0, q.last), Vector: q.vector}
}

// resumeEvents lets Last-Event-ID replace since and last: they are where the
// page began, it is how far its EventSource came, and an EventSource that
// reconnects repeats its URL unchanged.
//
// An id that is no position is taken for a lost position, which is announced with a
// gap. It is not refused: an EventSource gives up for good when it is, and a page
// can neither see nor change what its EventSource sends. The stream of a pattern
// then begins as if it were new, and with a gap.
func resumeEvents(id string, q *query) (lost bool) {
	if id == "" {
		return false
	}
	if q.pattern {
		var err error
		if q.vector, err = hub.ParseVector(id); err == nil {
			q.last = -1
		}
		return err != nil
	}
	position, err := hub.ParsePosition(id)
	if err != nil {
		position = hub.Position{Epoch: dialect.LostEpoch}
	}
	q.since, q.last = position, -1
	return err != nil
}

// pageRequest is what q asks for. With since or last, or neither, the page holds
// at most limit publications; last=0 is a page of none and the position of the
// channel. A page that waits begins with publications newer than now.
func (t *Transport) pageRequest(a *asked, channel string, q query) dialect.PageRequest {
	limit := t.o.PageLimit
	if q.limit > 0 {
		limit = min(q.limit, t.o.PageLimitMax)
	} else if q.last > 0 {
		limit = min(q.last, t.o.PageLimitMax)
	}
	page := dialect.PageRequest{
		Channel:  channel,
		Query:    &hub.Query{Since: q.since, Last: q.last, Limit: limit},
		BytesMax: t.o.PageBytesMax,
	}
	page.Wait, page.Waits = preferredWait(a.values("Prefer"), t.o.WaitMax)
	switch {
	case !q.since.IsZero():
		page.Query.Last = 0
	case q.last == 0, q.last < 0 && page.Waits:
		// One is asked for, for the position.
		page.Query.Last, page.IsPositionOnly = 1, true
	case q.last < 0:
		page.Query.Last = limit
	}
	page.IsHead = a.method == http.MethodHead
	return page
}
