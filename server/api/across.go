package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/transport"
)

// NodeAnswer is what another node has answered to a request, see Options.Others.
type NodeAnswer struct {
	Node string // its name, for people
	Data []byte // what API.AnswerNode has returned there
	Err  error  // why there is nothing
}

// across says how an operation is about the sessions of all nodes: it makes one answer of
// those of this node and of others. own is a success.
type across struct {
	// isOne is set for an operation on one session: the others are asked only if it is not here,
	// and merge is not called.
	isOne bool

	merge func(c *call, own []byte, others [][]byte) ([]byte, error)

	// alone, unless it is nil, reports whether this node knows everything.
	alone func(c *call) bool
}

// isAcross reports whether other nodes have to be asked.
func (c *call) isAcross(rt *route) bool {
	return rt.across != nil && c.o.Others != nil && (rt.across.alone == nil || !rt.across.alone(c))
}

// asksForDecision is about explain: every node decides the same.
func asksForDecision(c *call) bool {
	_, decision := c.query["action"]
	_, token := c.query["token"]
	return decision || token
}

// nodeRequest is a request on its way to another node. Its caller has been identified.
type nodeRequest struct {
	Method   string       `json:"method"`
	Path     string       `json:"path"` // below Prefix, with the query
	Body     []byte       `json:"body,omitempty"`
	Identity nodeIdentity `json:"identity"`
}

// nodeIdentity is an access.Identity, less what nothing here asks for.
type nodeIdentity struct {
	Kind   access.Kind   `json:"kind"`
	User   string        `json:"user,omitempty"`
	Name   string        `json:"name,omitempty"`
	Grants access.Grants `json:"grants"`
}

// nodeResponse is the answer of one.
type nodeResponse struct {
	Status int    `json:"status"`
	Type   string `json:"type,omitempty"`
	Body   []byte `json:"body,omitempty"`
}

// recording is a response that is not sent.
type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recording) Header() http.Header { return w.header }

func (w *recording) WriteHeader(status int) { w.status = cmp.Or(w.status, status) }

func (w *recording) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// record serves c here, with a body that was read.
func (c *call) record(rt *route, body []byte) *recording {
	w := &recording{header: make(http.Header)}
	here := *c
	here.w = w
	here.r = c.r.WithContext(c.r.Context())
	here.r.Body, here.r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if f := rt.serve(&here); f != nil {
		f.write(w)
	}
	return w
}

// serveAcross serves an operation that is about the sessions of all nodes.
func (c *call) serveAcross(rt *route) *fault {
	var body []byte
	if rt.method == http.MethodPost {
		var f *fault
		if body, f = c.body(c.o.BodyBytesMax); f != nil {
			return f
		}
	}
	own := c.record(rt, body)
	if rt.across.isOne && own.status != http.StatusNotFound || !rt.across.isOne && own.status != http.StatusOK {
		c.copyAnswer(own)
		return nil
	}
	var answers []nodeResponse
	names, unanswered, f := c.askOthers(rt, body, &answers)
	if f != nil {
		return f
	}
	if rt.across.isOne {
		return c.answerOne(own, answers, unanswered)
	}
	var others [][]byte
	for i := range answers {
		if answers[i].Status != http.StatusOK {
			unanswered = append(unanswered, names[i])
			continue
		}
		others = append(others, answers[i].Body)
	}
	merged, err := rt.across.merge(c, own.body.Bytes(), others)
	if err != nil {
		c.o.Logger.Error("what nodes have answered cannot be made one answer", "operation", rt.path, "error", err)
		return &fault{problem: transport.ProblemInternal, detail: "the answers of several nodes could not be read; the log of the server says more"}
	}
	if len(unanswered) > 0 {
		slices.Sort(unanswered)
		merged = appendUnanswered(merged, unanswered)
	}
	return c.answer(http.StatusOK, merged)
}

// askOthers asks all other nodes the same. names are those that have answered, in the order of answers.
func (c *call) askOthers(rt *route, body []byte, answers *[]nodeResponse) (names, unanswered []string, f *fault) {
	path := strings.TrimPrefix(c.r.URL.EscapedPath(), Prefix)
	if query := withoutToken(c.r).URL.RawQuery; query != "" {
		path += "?" + query
	}
	request, err := json.Marshal(&nodeRequest{rt.method, path, body, nodeIdentity{c.id.Kind, c.id.User, c.id.Name, c.id.Grants}})
	if err != nil {
		return nil, nil, &fault{problem: transport.ProblemInternal, detail: "other nodes cannot be asked: " + err.Error()}
	}
	asked, err := c.o.Others(c.r.Context(), request)
	if err != nil {
		return nil, nil, &fault{problem: transport.ProblemOverload, detail: "other nodes cannot be asked now: " + err.Error()}
	}
	for _, a := range asked {
		var response nodeResponse
		if a.Err != nil || json.Unmarshal(a.Data, &response) != nil {
			unanswered = append(unanswered, a.Node)
			continue
		}
		names, *answers = append(names, a.Node), append(*answers, response)
	}
	return names, unanswered, nil
}

// answerOne answers what the node has said that has the session, if there is one.
func (c *call) answerOne(own *recording, answers []nodeResponse, unanswered []string) *fault {
	for i := range answers {
		if a := &answers[i]; a.Status != http.StatusNotFound && a.Status != 0 {
			c.copyAnswer(&recording{header: http.Header{"Content-Type": {a.Type}, "Cache-Control": {"no-store"}}, status: a.Status, body: *bytes.NewBuffer(a.Body)})
			return nil
		}
	}
	if len(unanswered) > 0 {
		return &fault{problem: transport.ProblemUndecided, detail: "the session is not on the nodes that have answered, and these have not: " + strings.Join(unanswered, ", ")}
	}
	c.copyAnswer(own)
	return nil
}

// copyAnswer answers what was recorded.
func (c *call) copyAnswer(own *recording) {
	if own.status == 0 {
		return // the client has gone
	}
	h := c.w.Header()
	for name, values := range own.header {
		if name != "Content-Length" && (len(values) != 1 || values[0] != "") {
			h[name] = values
		}
	}
	c.w.WriteHeader(own.status)
	_, _ = c.w.Write(own.body.Bytes()) // a client that has gone does not want to know
}

// AnswerNode answers what another node asks through Options.Others: about the sessions that are
// here, and no others. It trusts the other node with the identity of the caller: every process
// that can use the broker is one of us.
func (a *API) AnswerNode(ctx context.Context, request []byte) []byte {
	w := &recording{header: make(http.Header)}
	if f := a.answerNode(ctx, request, w); f != nil {
		f.write(w)
	}
	b, err := json.Marshal(&nodeResponse{w.status, w.header.Get("Content-Type"), w.body.Bytes()})
	if err != nil {
		return nil
	}
	return b
}

func (a *API) answerNode(ctx context.Context, request []byte, w *recording) *fault {
	unknown := &fault{problem: transport.ProblemNotSupported, detail: "this node does not understand what another one asks"}
	var n nodeRequest
	if json.Unmarshal(request, &n) != nil {
		return unknown
	}
	u, err := url.Parse(Prefix + n.Path)
	if err != nil {
		return unknown
	}
	r := (&http.Request{
		Method: n.Method, URL: u, Header: http.Header{"Content-Type": {jsonType}},
		Body: io.NopCloser(bytes.NewReader(n.Body)), ContentLength: int64(len(n.Body)),
	}).WithContext(ctx)
	id := &access.Identity{Kind: n.Identity.Kind, User: n.Identity.User, Name: n.Identity.Name, Grants: n.Identity.Grants}
	c := &call{API: a, w: w, r: r, id: id, isForNode: true}
	rt, f := c.find(strings.TrimPrefix(u.EscapedPath(), Prefix))
	if f != nil || rt.across == nil {
		return unknown
	}
	if f := c.readQuery(rt.query); f != nil {
		return f
	}
	return rt.serve(c)
}

// appendUnanswered adds to an object which nodes did not answer.
func appendUnanswered(object []byte, names []string) []byte {
	list, err := json.Marshal(names)
	if err != nil {
		return object
	}
	object = bytes.TrimRight(object, "}\n")
	object = append(member(object, "unanswered"), list...)
	return append(object, "}\n"...)
}

// mergeCounts adds up the numbers of objects.
func mergeCounts(_ *call, own []byte, others [][]byte) ([]byte, error) {
	sum := make(map[string]int)
	for _, b := range append([][]byte{own}, others...) {
		var one map[string]int
		if err := json.Unmarshal(b, &one); err != nil {
			return nil, err
		}
		for name, n := range one {
			sum[name] += n
		}
	}
	merged, err := json.Marshal(sum)
	return append(merged, '\n'), err
}

// mergeExplanations makes one explanation of a publication.
func mergeExplanations(_ *call, own []byte, others [][]byte) ([]byte, error) {
	var reports []*flight.Report
	for _, b := range append([][]byte{own}, others...) {
		r := new(flight.Report)
		if err := json.Unmarshal(b, r); err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	merged, err := json.Marshal(flight.Merge(reports))
	return append(merged, '\n'), err
}

// listPage is a page of a list, of channels or sessions.
type listPage struct {
	items  []pageItem
	cursor string
}

type pageItem struct {
	name string
	raw  json.RawMessage

	channel struct { // of a channel
		Channel      string `json:"channel"`
		Subscribers  int    `json:"subscribers"`
		Publications int    `json:"publications"`
		Position     string `json:"position,omitempty"`
	}
}

// mergeSessions makes one page of sessions of those of several nodes.
func mergeSessions(c *call, own []byte, others [][]byte) ([]byte, error) {
	return c.mergePages(own, others, 's', "sessions", func(i *pageItem) error {
		var session struct {
			ID string `json:"id"`
		}
		err := json.Unmarshal(i.raw, &session)
		i.name = session.ID
		return err
	})
}

// mergeChannels makes one page of channels, and adds up their subscribers. What is known of
// histories is the same everywhere, and said by this node.
func mergeChannels(c *call, own []byte, others [][]byte) ([]byte, error) {
	return c.mergePages(own, others, 'c', "channels", func(i *pageItem) error {
		err := json.Unmarshal(i.raw, &i.channel)
		i.name = i.channel.Channel
		return err
	})
}

func (c *call) mergePages(own []byte, others [][]byte, list byte, what string, read func(*pageItem) error) ([]byte, error) {
	_, limit, f := c.pageAsked(list)
	if f != nil {
		limit = limitDefault // it was right a moment ago
	}
	var all listPage
	for _, b := range append([][]byte{own}, others...) {
		var parts map[string]json.RawMessage
		if err := json.Unmarshal(b, &parts); err != nil {
			return nil, err
		}
		var items []json.RawMessage
		if err := json.Unmarshal(parts[what], &items); err != nil {
			return nil, err
		}
		for _, raw := range items {
			i := pageItem{raw: raw}
			if err := read(&i); err != nil {
				return nil, err
			}
			all.items = append(all.items, i)
		}
		if len(parts["cursor"]) > 0 {
			all.cursor = string(parts["cursor"])
		}
	}
	slices.SortStableFunc(all.items, func(a, b pageItem) int { return strings.Compare(a.name, b.name) })
	var items []pageItem
	for i := range all.items {
		next := &all.items[i]
		last := len(items) - 1
		if last < 0 || items[last].name != next.name {
			items = append(items, *next)
			continue
		}
		if list == 'c' {
			items[last].channel.Subscribers += next.channel.Subscribers
			var err error
			if items[last].raw, err = json.Marshal(items[last].channel); err != nil {
				return nil, err
			}
		}
	}
	end := ""
	if len(items) > limit {
		items, end = items[:limit], items[limit-1].name
	} else if all.cursor != "" && len(items) > 0 {
		end = items[len(items)-1].name
	}
	dst := append(member([]byte{'{'}, what), '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, items[i].raw...)
	}
	return appendPage(dst, list, end), nil
}
