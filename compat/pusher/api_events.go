package pusher

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
)

// The limits of the HTTP API.
const (
	channelsMax = 100 // of an event
	batchMax    = 10  // events of a batch
)

// event is an event that a back end publishes.
type event struct {
	Name     string   `json:"name"`
	Data     *string  `json:"data"`
	Channels []string `json:"channels"`
	Channel  *string  `json:"channel"`
	Socket   *string  `json:"socket_id"`
	Info     *string  `json:"info"`

	infos    infos
	messages []hub.Message // one for each channel
	names    []string      // of the channels
}

// channelAnswer is the answer about a channel: the attributes asked for, and nothing else.
type channelAnswer struct {
	Occupied      *bool            `json:"occupied,omitempty"`
	Users         *int             `json:"user_count,omitempty"`
	Subscriptions *int             `json:"subscription_count,omitempty"`
	Cache         *json.RawMessage `json:"cache,omitempty"`
}

// channelsAnswer is the answer about channels by name, empty if it was not asked for.
type channelsAnswer struct {
	Channels map[string]channelAnswer `json:"channels,omitzero"`
}

// events publishes an event to channels.
func (c *call) events(r *http.Request, _ string) (any, *fault) {
	e, err := parseEvent(c.body)
	if err != nil {
		return nil, refuse(400, "%v", err)
	}
	if f := c.check(e, channelsMax); f != nil {
		return nil, f
	}
	if f := c.publish(r, e.messages); f != nil {
		return nil, f
	}
	var answer channelsAnswer
	if e.Info != nil {
		answer.Channels = make(map[string]channelAnswer, len(e.names))
		c.askAll(e.names, e.infos)
		for _, name := range e.names {
			answer.Channels[name] = c.infoOf(r.Context(), name, e.infos)
		}
	}
	return answer, nil
}

// batch publishes several events, each to a channel.
func (c *call) batch(r *http.Request, _ string) (any, *fault) {
	list, err := parseBatch(c.body)
	if err != nil {
		return nil, refuse(400, "%v", err)
	}
	var messages []hub.Message
	hasInfo := false
	for i, e := range list {
		if f := c.check(e, 1); f != nil {
			f.text = fmt.Sprintf("batch[%d]: %s", i, f.text)
			return nil, f
		}
		messages = append(messages, e.messages...)
		hasInfo = hasInfo || e.Info != nil
	}
	if f := c.publish(r, messages); f != nil {
		return nil, f
	}
	if !hasInfo {
		return struct{}{}, nil
	}
	for _, e := range list {
		if e.Info != nil {
			c.askAll(e.names, e.infos)
		}
	}
	answers := make([]channelAnswer, len(list))
	for i, e := range list {
		if e.Info != nil {
			answers[i] = c.infoOf(r.Context(), e.names[0], e.infos)
		}
	}
	return map[string]any{"batch": answers}, nil
}

// parseEvent reads the body of a request to publish.
func parseEvent(body []byte) (*event, error) {
	e := new(event)
	if err := json.Unmarshal(body, e); err != nil {
		return nil, errors.New("the body is not what an event looks like: " + plain(err))
	}
	return e, nil
}

// parseBatch reads the body of a request to publish several events.
func parseBatch(body []byte) ([]*event, error) {
	var b struct {
		Batch []*event `json:"batch"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, errors.New("the body is not what a batch looks like: " + plain(err))
	}
	if len(b.Batch) == 0 || len(b.Batch) > batchMax {
		return nil, fmt.Errorf("a batch has 1 to %d events, and this one has %d", batchMax, len(b.Batch))
	}
	if slices.Contains(b.Batch, nil) {
		return nil, errors.New("an event of the batch is null")
	}
	return b.Batch, nil
}

// plain is what encoding/json says, without types of Go.
func plain(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Sprintf("%s cannot be of the type %s", wrong.Field, wrong.Value)
	}
	return err.Error()
}

// check checks an event, and makes messages of it.
func (c *call) check(e *event, channels int) *fault {
	switch n := utf8.RuneCountInString(e.Name); {
	case n == 0:
		return refuse(400, "name is missing")
	case n > protocol.EventNameMax:
		return refuse(400, "name is %d characters long; at most %d are allowed", n, protocol.EventNameMax)
	case protocol.IsOfServer(e.Name):
		return refuse(400, "name begins with pusher: or pusher_internal:, which are the server's own events")
	case e.Data == nil:
		return refuse(400, "data is missing; it is a string")
	case e.Channel != nil && e.Channels != nil:
		return refuse(400, "there is both channel and channels")
	}
	if e.Channel != nil {
		e.Channels = []string{*e.Channel}
	}
	if len(e.Channels) == 0 || len(e.Channels) > channels {
		return refuse(400, "an event is for 1 to %d channels here, and this one for %d", channels, len(e.Channels))
	}
	if most := c.app.PublicationBytes(publicationBytesMax); len(*e.Data) > most {
		return refuse(413, "The data content of this event exceeds the allowed maximum (%d bytes)", most)
	}
	attributes := hub.Attributes{Event: protocol.EventOfHub(e.Name)}
	if e.Socket != nil && *e.Socket != "" {
		if !protocol.LooksLikeSocketID(*e.Socket) {
			return refuse(400, "socket_id %s is none: it is two numbers with a dot between them", shortened(*e.Socket))
		}
		attributes.Exclude, _ = protocol.ParseSocketID(*e.Socket) // one of another server is of nobody here
	}
	kind := kindOf(*e.Data)
	for _, name := range e.Channels {
		if slices.Contains(e.names, name) {
			continue
		}
		channel, problem := c.space.Channel(name)
		if problem != "" {
			return refuse(400, "%s", problem)
		}
		e.names = append(e.names, name)
		m := hub.Message{Channel: channel, Kind: kind, Data: []byte(*e.Data)}
		if attributes != (hub.Attributes{}) {
			m.Attributes = &attributes
		}
		e.messages = append(e.messages, m)
	}
	if e.Info != nil {
		var f *fault
		if e.infos, f = parseInfos(*e.Info, "user_count", "subscription_count"); f != nil {
			return f
		}
	}
	return nil
}

// kindOf is JSON for text that is an object or an array: others may read it as such, and
// clients of Pusher get the same text again.
func kindOf(data string) hub.Kind {
	trimmed := strings.TrimLeft(data, " \t\r\n")
	if trimmed == "" || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid([]byte(data)) {
		return hub.Text
	}
	return hub.JSON
}

// published collects the outcomes of publications.
type published chan hub.Published

// Published implements hub.Completer.
func (p published) Published(_ uint64, o hub.Published) { p <- o }

// publish publishes messages and waits for their outcomes.
func (c *call) publish(r *http.Request, messages []hub.Message) *fault {
	for range messages {
		if ok, after := c.app.AllowPublication(time.Now()); !ok {
			return &fault{status: 429, text: "the app publishes more than it may", after: after}
		}
	}
	outcomes := make(published, len(messages)) // no outcome has to wait, also if nobody waits for it
	for _, m := range messages {
		c.server.o.Hub.BeginPublish(protocol.Transport, m, outcomes, 0)
	}
	var failed error
	for range messages {
		select {
		case o := <-outcomes:
			if o.Err != nil {
				failed = o.Err
			}
		case <-r.Context().Done():
			return refuse(503, "the request was given up; it is not known what was published")
		}
	}
	if failed != nil {
		return c.failure(failed)
	}
	for _, m := range messages {
		c.server.tellings.published(m.Channel)
	}
	return nil
}

// failure is an error of the hub as a fault.
func (c *call) failure(err error) *fault {
	d := c.server.describe(err)
	text := d.Detail
	if text == "" {
		text = d.Problem.Title
	}
	return &fault{status: d.Problem.Status, text: text, after: d.RetryAfter}
}
