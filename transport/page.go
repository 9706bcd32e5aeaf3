package transport

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// history is what a page shows: publications with nothing missing between them.
type history struct {
	publications []*hub.Publication
	position     hub.Position // where to continue
	gap          bool         // something before the first one is missing
}

func (p *history) empty() bool { return len(p.publications) == 0 && !p.gap }

// servePage answers with a page of history:
//
//	{"channel":"chat","position":"f3Zb:17","publications":[…],"gap":false}
//
// Asking with ?since=POSITION for the position of the last page continues where
// it ended. ?last=N begins with the newest N; ?last=0 is a page of none and the
// position of the channel. With neither the page holds the newest, as many as
// fit. ?limit ends a page early.
//
// With Prefer: wait=N (RFC 7240 §4.3) a page that would be empty is held back
// until there is something to put into it or N seconds have passed. Without
// since or last it begins empty: it waits for what is newer than now.
func (t *Transport) servePage(w http.ResponseWriter, r *http.Request, channel string, q query) {
	opened := time.Now()
	limit := t.o.PageLimit
	if q.limit > 0 {
		limit = min(q.limit, t.o.PageLimitMax)
	} else if q.last > 0 {
		limit = min(q.last, t.o.PageLimitMax)
	}
	wait, waits := preferredWait(r.Header.Values("Prefer"), t.o.WaitMax)
	if waits && q.since.IsZero() && q.last < 0 {
		q.last = 0
	}

	page, err := t.readPage(r.Context(), channel, q, limit)
	name := Page
	if err == nil && waits {
		name = LongPoll
		if page.empty() && wait > 0 && r.Method != http.MethodHead {
			page, err = t.poll(r.Context(), channel, page.position, limit, wait)
		}
	}
	if err != nil {
		t.refuseHub(w, r, err)
		return
	}

	body, sent := t.encodePage(channel, page, opened)
	h := w.Header()
	if waits {
		h.Set("Preference-Applied", "wait="+strconv.FormatInt(int64(wait/time.Second), 10))
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := t.newWriter(w, r)
	if _, err := out.Write(body); err == nil && out.flush() == nil {
		t.observe.delivered(name, sent)
	}
}

// readPage reads what q asks for, at most limit publications.
func (t *Transport) readPage(ctx context.Context, channel string, q query, limit int) (history, error) {
	ask := hub.Query{Since: q.since, Last: q.last, Limit: limit}
	switch {
	case !q.since.IsZero():
		ask.Last = 0
	case q.last < 0:
		ask.Last = limit
	case q.last == 0:
		ask.Last = 1 // for the position; the publication is left out below
	}
	page, err := t.hub.History(ctx, channel, ask)
	if err != nil {
		return history{}, err
	}
	if q.last == 0 && q.since.IsZero() {
		page.Publications = nil
	}
	return history{page.Publications, page.Position, page.Gap != nil}, nil
}

// poll waits for something newer than since, for at most wait. It makes a page
// of what it was given live, so that it works also where no history is kept.
func (t *Transport) poll(ctx context.Context, channel string, since hub.Position, limit int, wait time.Duration) (history, error) {
	woken := newSignal()
	session, err := t.hub.Connect(LongPoll, woken.wake)
	nothing := history{position: since}
	if err != nil {
		return nothing, err
	}
	defer session.Close()
	if err := session.Subscribe(ctx, channel, hub.SubscribeOptions{Since: since}); err != nil {
		return nothing, err
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return nothing, ctx.Err()
		case <-timeout.C:
			return nothing, nil
		case <-woken:
		}
		pushes, err := session.Take(ctx, nil)
		switch {
		case len(pushes) > 0:
			return collect(pushes, limit), nil
		case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
			return nothing, nil // the client asks again, and finds who serves it then
		case err != nil:
			return nothing, err
		}
	}
}

// collect makes a page of the first pushes, at most limit publications. It ends
// before a second gap, which the next page will begin with.
func collect(pushes []hub.Push, limit int) history {
	var page history
	for i, push := range pushes {
		if push.Gap != nil {
			if i > 0 {
				break
			}
			page.gap, page.position = true, push.Gap.To
			continue
		}
		if len(page.publications) == limit {
			break
		}
		page.publications = append(page.publications, push.Delivery.Publication)
		page.position = push.Delivery.Position
	}
	return page
}

// encodePage encodes a page, cut where it would grow past PageBytesMax, and
// counts what is in it.
func (t *Transport) encodePage(channel string, page history, opened time.Time) ([]byte, batch) {
	var sent batch
	items := make([]byte, 0, 256)
	for i, p := range page.publications {
		begin := len(items)
		if i > 0 {
			items = append(items, ',')
		}
		items = appendEnvelope(items, p)
		if i > 0 && len(items) > t.o.PageBytesMax {
			items = items[:begin]
			page.position = page.publications[i-1].Position
			break
		}
		sent.add(p, len(items)-begin, opened)
	}

	body := make([]byte, 0, len(items)+len(channel)+128)
	body = append(body, `{"channel":`...)
	body = appendString(body, channel)
	body = append(body, `,"position":`...)
	body = appendPosition(body, page.position)
	body = append(body, `,"publications":[`...)
	body = append(body, items...)
	body = append(body, `],"gap":`...)
	body = strconv.AppendBool(body, page.gap)
	return append(body, "}\n"...), sent
}
