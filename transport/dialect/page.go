package dialect

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Page is a part of a channel's history as one answer:
//
//	{"channel":"chat","position":"f3Zb:17","publications":[…],"gap":false}
//
// A page that may wait (Prefer: wait=N, RFC 7240 §4.3) and would be empty is held
// back until there is something to put into it or the time has passed. It makes a
// page of what it was given live, so it works also where no history is kept.
type Page struct {
	listener
	request  PageRequest
	opened   int64        // in nanoseconds of Unix time
	expires  time.Time    // zero while it does not wait
	position hub.Position // where to continue
	behind   *hub.Behind  // why publications do not come; nil while they do
}

// PageRequest is a request for a page.
type PageRequest struct {
	Channel string
	Query   *hub.Query // nil is the zero value; Page keeps it until it has asked

	// IsPositionOnly leaves the publications out: the client wants to know where
	// the channel is.
	IsPositionOnly bool

	IsHead   bool          // only the head of the answer is wanted: it does not wait
	Waits    bool          // the client would rather wait than have an empty page
	limit    int32         // of Query
	Wait     time.Duration // how long; 0 answers at once
	BytesMax int           // ends the page early, after at least one publication
}

// history is the content of a page: publications with nothing missing between them.
type history struct {
	publications []*hub.Publication
	gap          bool // something before the first one is missing
}

func (h *history) isEmpty() bool { return len(h.publications) == 0 && !h.gap }

const (
	tagRead = tagBegin + iota
	tagWait
)

// NewPage returns the dialect of one page.
func NewPage(r PageRequest) *Page {
	if r.Query == nil {
		r.Query = &hub.Query{}
	}
	r.limit = int32(min(max(r.Query.Limit, 0), math.MaxInt32))
	return &Page{request: r}
}

// Transport implements Dialect.
func (p *Page) Transport() string {
	if p.request.Waits {
		return "longpoll"
	}
	return "page"
}

// Begin reads the history.
func (p *Page) Begin(now time.Time, out *Effects) {
	p.opened = now.UnixNano()
	out.Commands = append(out.Commands, Command{Kind: hub.CommandHistory, Action: p.action(), Tag: tagRead, Channel: p.request.Channel, Query: *p.request.Query})
	p.request.Query = nil
}

// action is what the client has to be allowed: long polling is a subscription.
func (p *Page) action() access.Action {
	if p.request.Waits {
		return access.Subscribe
	}
	return access.History
}

// Push answers, or begins to wait.
func (p *Page) Push(now time.Time, pushes []hub.Push, out *Effects) {
	if pushes = p.noteBehind(pushes); len(pushes) == 0 {
		return
	}
	switch first := &pushes[0]; {
	case first.Outcome == nil:
		p.answer(p.collect(pushes), out)
	case first.Outcome.Err != nil:
		p.refuse(first.Outcome.Err, out)
	case first.Outcome.Tag == tagRead:
		page := &first.Outcome.Page
		read := history{page.Publications, page.Gap != nil}
		p.position = page.Position
		if p.request.IsPositionOnly {
			read.publications = nil
		}
		if !read.isEmpty() || !p.request.Waits || p.request.Wait <= 0 || p.request.IsHead {
			p.answer(read, out)
			return
		}
		p.expires = now.Add(p.request.Wait)
		out.Commands = append(out.Commands, Command{
			Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: tagWait, Channel: p.request.Channel,
			Subscribe: hub.SubscribeOptions{Since: p.position},
		})
	default: // the subscription has begun
		p.Push(now, pushes[1:], out)
	}
}

// noteBehind notes whether publications come, and returns the other pushes. A page waits
// on: they may come in time.
func (p *Page) noteBehind(pushes []hub.Push) []hub.Push {
	return slices.DeleteFunc(pushes, func(push hub.Push) bool {
		if push.Behind != nil {
			if p.behind = push.Behind; p.behind.Err == nil { // it is over
				p.behind = nil
			}
		}
		return push.Behind != nil
	})
}

// collect makes a page of the first pushes, at most Query.Limit publications. It
// ends before a second gap, which the next page will begin with.
func (p *Page) collect(pushes []hub.Push) (read history) {
	for i, push := range pushes {
		switch {
		case push.Gap != nil && push.Gap.Reason != hub.GapLost: // left out on purpose: the next page is asked for from behind it
			p.position = push.Gap.To
		case push.Gap != nil && i == 0:
			read.gap, p.position = true, push.Gap.To
		case push.Delivery == nil, p.request.limit > 0 && len(read.publications) == int(p.request.limit):
			return read
		default:
			read.publications = append(read.publications, push.Delivery.Publication)
			p.position = push.Delivery.Position
		}
	}
	return read
}

func (p *Page) refuse(err error, out *Effects) {
	out.Answer = &Answer{Err: err}
	out.Closing = &Closing{End: endOf(err)}
}

// answer encodes the page, cut where it would grow past BytesMax.
func (p *Page) answer(read history, out *Effects) {
	items := make([]byte, 0, 256)
	for i, publication := range read.publications {
		begin := len(items)
		if i > 0 {
			items = append(items, ',')
		}
		items = appendEnvelope(items, publication)
		if i > 0 && len(items) > p.request.BytesMax {
			items = items[:begin]
			p.position = read.publications[i-1].Position
			break
		}
		out.Delivered.Add(publication, len(items)-begin, p.opened)
	}
	body := make([]byte, 0, len(items)+len(p.request.Channel)+128)
	body = append(body, `{"channel":`...)
	body = jsontext.AppendString(body, p.request.Channel)
	body = append(body, `,"position":`...)
	body = AppendPosition(body, p.position)
	body = append(body, `,"publications":[`...)
	body = append(body, items...)
	body = append(body, `],"gap":`...)
	body = strconv.AppendBool(body, read.gap)
	body = append(body, "}\n"...)

	out.Answer = &Answer{Status: 200, ContentType: "application/json", IsWhole: true, HasWait: p.request.Waits, Wait: p.request.Wait}
	out.Frames = append(out.Frames, body)
	out.Closing = &Closing{End: EndClient}
}

// End answers a page that waits with an empty one: the client asks again, and
// finds what serves it then.
func (p *Page) End(reason error, out *Effects) {
	if _, ok := endingOf(reason); ok && !errors.Is(reason, hub.ErrSlow) || errors.Is(reason, hub.ErrTooManyCommands) {
		p.refuse(reason, out)
		return
	}
	p.answer(history{}, out)
}

// Deadline is when waiting ends.
func (p *Page) Deadline() time.Time { return p.expires }

// Expire answers with an empty page, unless nobody knows whether it would be empty.
func (p *Page) Expire(_ time.Time, out *Effects) {
	if p.behind != nil {
		p.refuse(p.behind.Err, out)
		return
	}
	p.answer(history{}, out)
}
