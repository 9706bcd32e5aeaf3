package api

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
)

// edge is how the hub calls what comes through this API.
const edge = "api"

// publish is POST publish.
func (c *call) publish() *fault {
	m, f := c.readOne(fieldsOfPublication)
	if f != nil {
		return f
	}
	return c.publishOne(m)
}

// publishToUser is POST users/{user}/messages.
func (c *call) publishToUser() *fault {
	channel, err := access.UserChannel(c.part)
	if err != nil {
		return &fault{problem: transport.ProblemChannelName, detail: err.Error()}
	}
	m, f := c.readOne(fieldsOfMessage)
	if f != nil {
		return f
	}
	m.Channel = channel
	return c.publishOne(m)
}

// readOne reads a body that is a publication. Its idempotency key may stand in the
// header, too.
func (c *call) readOne(known []string) (m hub.Message, f *fault) {
	if _, f := c.contentType(jsonType); f != nil {
		return m, f
	}
	b, f := c.body(c.o.BodyBytesMax)
	if f != nil {
		return m, f
	}
	if m, f = readPublication(b, "the body", known); f != nil {
		return m, f
	}
	for _, key := range c.r.Header.Values("Idempotency-Key") {
		if key == "" || m.IdempotencyKey != "" && m.IdempotencyKey != key {
			return m, &fault{problem: transport.ProblemIdempotencyKey, detail: "give one idempotency key that is not empty, in the body or in the field Idempotency-Key"}
		}
		m.IdempotencyKey = key
	}
	return m, nil
}

func (c *call) publishOne(m hub.Message) *fault {
	o := newOutcomes(1)
	if f := c.begin(m, o, 0); f != nil {
		return f
	}
	select {
	case <-o.all:
	case <-c.r.Context().Done():
		return gone()
	}
	p := o.list[0]
	if p.Err != nil {
		return c.faultOf(p.Err)
	}
	status := http.StatusCreated
	if p.Duplicate {
		status = http.StatusOK
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	body := textMember([]byte{'{'}, "channel", m.Channel)
	return c.answer(status, append(appendPublished(body, &p), "}\n"...))
}

// begin publishes m, if the caller may. to is told of the outcome unless there is a
// fault.
func (c *call) begin(m hub.Message, to hub.Completer, ticket uint64) *fault {
	if f := c.authorizePublication(&m); f != nil {
		return f
	}
	if c.id.User != "" || c.trace != "" {
		if m.Attributes == nil {
			m.Attributes = new(hub.Attributes)
		}
		m.Attributes.User = c.id.User // the server says so, never the request
		m.Attributes.Trace = c.trace
	}
	c.o.Hub.BeginPublish(edge, m, to, ticket)
	return nil
}

// authorizePublication decides whether m may be published, and as what.
func (c *call) authorizePublication(m *hub.Message) *fault {
	if c.o.Publishing == nil {
		return c.authorize(access.Publish, m.Channel)
	}
	if err := hub.CheckChannel(m.Channel); err != nil {
		return c.faultOf(err)
	}
	if c.publishing == nil {
		c.publishing = c.o.Publishing(c.r, c.id)
	}
	switch err := c.publishing(c.r.Context(), m); {
	case err == nil:
		return nil
	case c.r.Context().Err() != nil:
		return gone()
	default:
		return c.identifyFault(err)
	}
}

// appendPublished appends members that say where something was published.
func appendPublished(dst []byte, p *hub.Published) []byte {
	dst = textMember(dst, "position", p.Position.String())
	if p.Duplicate {
		dst = append(member(dst, "duplicate"), "true"...)
	}
	return dst
}

// outcomes are those of several publications.
type outcomes struct {
	list []hub.Published
	left atomic.Int64
	all  chan struct{} // closed when none is left
}

func newOutcomes(n int) *outcomes {
	o := &outcomes{list: make([]hub.Published, n), all: make(chan struct{})}
	o.left.Store(int64(n))
	return o
}

// Published implements hub.Completer. The tickets are places in the list.
func (o *outcomes) Published(ticket uint64, p hub.Published) {
	o.list[ticket] = p
	o.skip()
}

// skip is for a publication that was not begun.
func (o *outcomes) skip() {
	if o.left.Add(-1) == 0 {
		close(o.all)
	}
}

// batch is POST batch.
func (c *call) batch() *fault {
	kind, f := c.contentType(jsonType, linesType)
	switch {
	case f != nil:
		return f
	case kind == linesType:
		return c.stream()
	}
	b, f := c.body(c.o.BatchBytesMax)
	if f != nil {
		return f
	}
	list, f := readBatch(b)
	if f != nil {
		return f
	}
	// All are begun, in order, before the first has its outcome: the broker keeps
	// the order of each channel.
	o := newOutcomes(len(list) + 1)
	faults := make([]*fault, len(list))
	for i, e := range list {
		m, f := readMessage(e.raw, e.at, "publications["+strconv.Itoa(i)+"]", fieldsOfPublication)
		if f == nil {
			f = c.begin(m, o, uint64(i))
		}
		if f != nil {
			faults[i] = f
			o.skip()
		}
	}
	o.skip()
	<-o.all // the hub answers each in a bounded time
	return c.answer(http.StatusOK, c.appendResults(o.list[:len(list)], faults))
}

// readBatch returns the publications of a batch, which are valid JSON.
func readBatch(b []byte) ([]element, *fault) {
	if f := checkJSON(b, "the body"); f != nil {
		return nil, f
	}
	o, f := readObject(string(b), 0, "the body", "publications")
	if f != nil {
		return nil, f
	}
	raw := o.raw("publications")
	if raw == "" || raw[0] != '[' {
		return nil, o.wrong("publications", "a list of publications")
	}
	list, tooMany := elements(raw, o.at[0], BatchCountMax)
	if tooMany {
		return nil, &fault{problem: transport.ProblemTooLarge,
			detail: "the batch has more than " + strconv.Itoa(BatchCountMax) + " publications; send several, or a stream as " + linesType}
	}
	return list, nil
}

func (c *call) appendResults(list []hub.Published, faults []*fault) []byte {
	failed := 0
	dst := []byte(`{"results":[`)
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := faults[i]
		if f == nil && list[i].Err != nil {
			f = c.faultOf(list[i].Err)
		}
		if f != nil {
			failed++
		}
		dst = appendResult(dst, &list[i], f)
	}
	dst = append(dst, ']')
	return append(numberMember(dst, "failed", failed), "}\n"...)
}

// appendResult appends the outcome of one publication.
func appendResult(dst []byte, p *hub.Published, f *fault) []byte {
	dst = append(dst, '{')
	if f != nil {
		dst = f.appendTo(append(jsontext.AppendString(dst, "error"), ':'))
	} else {
		dst = appendPublished(dst, p)
	}
	return append(dst, '}')
}
