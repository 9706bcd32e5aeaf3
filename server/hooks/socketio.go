package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/socketio"
	"github.com/godwit-io/godwit/hub"
)

// The types of what the application is asked, and told, about clients of Socket.IO.
const (
	socketIOConnect    = "socketio.connect"
	socketIOEvent      = "socketio.event"
	socketIODisconnect = "socketio.disconnect"
)

// SocketIO is the application behind clients of Socket.IO: a socketio.Backend that asks
// the Hooks of the moment. current must be quick and must not block.
func SocketIO(current func() *Hooks) socketio.Backend { return socketIO{current} }

type socketIO struct{ current func() *Hooks }

// asker is the endpoint that is asked, nil for none.
func (b socketIO) asker() *asker {
	if h := b.current(); h != nil {
		return h.socketio
	}
	return nil
}

// Connect implements socketio.Backend.
func (b socketIO) Connect(r *socketio.ConnectRequest, answer func(*socketio.ConnectAnswer, error)) {
	a := b.asker()
	if a == nil {
		answer(nil, errNotAsked())
		return
	}
	var got *socketio.ConnectAnswer
	a.ask(&call{
		kind:   socketIOConnect,
		fields: a.pick(r.Fields),
		data: func(o *object) {
			o.peer(&r.Peer)
			o.text("query", r.Query)
			o.value("auth", r.Auth)
		},
		read: func(body []byte) (_ Outcome, err error) {
			got, err = readSocketIOConnect(body, time.Now())
			return Allowed, err
		},
		done: func(err error) {
			if err != nil {
				got = nil
			}
			answer(got, err)
		},
	})
}

// Event implements socketio.Backend.
func (b socketIO) Event(r *socketio.EventRequest, answer func(*socketio.EventAnswer, error)) {
	a := b.asker()
	if a == nil {
		answer(nil, socketio.ErrUnanswered)
		return
	}
	var got *socketio.EventAnswer
	a.ask(&call{
		kind: socketIOEvent,
		data: func(o *object) {
			o.peer(&r.Peer)
			o.text("event", r.Event)
			o.value("args", r.Args)
			if r.WantsAck {
				o.value("ack", json.RawMessage("true"))
			}
		},
		read: func(body []byte) (_ Outcome, err error) {
			got, err = readSocketIOEvent(body)
			return Answered, err
		},
		failed: func(error) error { return socketio.ErrUnanswered },
		done: func(err error) {
			var own *hub.CallError
			if err != nil {
				if got = nil; !errors.As(err, &own) {
					err = socketio.ErrUnanswered // who is not asked is not told why
				}
			}
			answer(got, err)
		},
	})
}

// Disconnect implements socketio.Backend. The answer does not matter.
func (b socketIO) Disconnect(r *socketio.DisconnectRequest) {
	a := b.asker()
	if a == nil {
		return
	}
	a.ask(&call{
		kind: socketIODisconnect,
		data: func(o *object) {
			o.peer(&r.Peer)
			o.text("reason", r.Reason)
		},
		read: func([]byte) (Outcome, error) { return Answered, nil },
		done: func(error) {},
	})
}

// peer appends the identity of a client of Socket.IO.
func (o *object) peer(p *socketio.Peer) {
	o.text("session", p.Session)
	o.text("namespace", p.Namespace)
	o.text("channel", p.Channel)
	o.text("user", p.User)
	o.text("address", p.Address)
}

// Bounds of what the application answers to an event.
const (
	roomsMax        = 100
	publicationsMax = 100
)

// readSocketIOConnect reads the answer to whether a client may join a namespace.
func readSocketIOConnect(body []byte, now time.Time) (*socketio.ConnectAnswer, error) {
	allow, err := readVerdict(body, "user", "info", "grants", "join")
	if err != nil {
		return nil, err
	}
	answer := &socketio.ConnectAnswer{}
	if answer.Join, err = readRooms(allow["join"], "allow.join"); err != nil {
		return nil, err
	}
	delete(allow, "join")
	_, hasGrants := allow["grants"]
	// What is left is what the question about connecting answers, too.
	rest, err := json.Marshal(map[string]any{"allow": allow})
	if err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	id, err := readConnect(rest, now)
	if err != nil {
		return nil, err
	}
	answer.User, answer.Info = id.User, id.Info
	if hasGrants {
		answer.Grants = new(access.Grants)
		*answer.Grants = id.Grants
	}
	return answer, nil
}

// readSocketIOEvent reads the answer to an event, or the *hub.CallError that "error" is.
// No content means that nothing is to be done.
func readSocketIOEvent(body []byte) (*socketio.EventAnswer, error) {
	if len(strings.TrimSpace(string(body))) == 0 {
		return &socketio.EventAnswer{}, nil
	}
	if !utf8.Valid(body) {
		return nil, errors.New("it is not UTF-8")
	}
	members, err := readObject(body, "the answer", "ack", "join", "leave", "publish", "disconnect", "error")
	if err != nil {
		return nil, err
	}
	if failed, ok := members["error"]; ok {
		if len(members) > 1 {
			return nil, errors.New(`it has "error" and something else`)
		}
		return nil, readCallError(failed)
	}
	answer := &socketio.EventAnswer{Ack: members["ack"]}
	if answer.Join, err = readRooms(members["join"], "join"); err != nil {
		return nil, err
	}
	if answer.Leave, err = readRooms(members["leave"], "leave"); err != nil {
		return nil, err
	}
	if raw, ok := members["disconnect"]; ok && json.Unmarshal(raw, &answer.Disconnect) != nil {
		return nil, errors.New(`"disconnect" is neither true nor false`)
	}
	var list []json.RawMessage
	if raw, ok := members["publish"]; ok && json.Unmarshal(raw, &list) != nil {
		return nil, errors.New(`"publish" is no list`)
	}
	if len(list) > publicationsMax {
		return nil, fmt.Errorf(`"publish" has %d publications; at most %d are possible`, len(list), publicationsMax)
	}
	for i, raw := range list {
		m, err := readPublication(raw, fmt.Sprintf("publish[%d]", i))
		if err != nil {
			return nil, err
		}
		answer.Publish = append(answer.Publish, m)
	}
	return answer, nil
}

func readRooms(raw json.RawMessage, what string) (rooms []string, err error) {
	if raw == nil {
		return nil, nil
	}
	if json.Unmarshal(raw, &rooms) != nil {
		return nil, fmt.Errorf("%s is no list of names", what)
	}
	if len(rooms) > roomsMax {
		return nil, fmt.Errorf("%s has %d rooms; at most %d are possible", what, len(rooms), roomsMax)
	}
	return rooms, nil
}

// readPublication reads {"channel":…,"event":…,"data":…}. A string is text, any other
// value JSON, and "data_base64" bytes.
func readPublication(raw json.RawMessage, what string) (m hub.Message, err error) {
	members, err := readObject(raw, what, "channel", "event", "data", "data_base64")
	if err != nil {
		return m, err
	}
	if m.Channel, err = readString(members["channel"], what+".channel"); err != nil {
		return m, err
	}
	if err := hub.CheckChannel(m.Channel); err != nil {
		return m, fmt.Errorf("%s: %s", what, strings.TrimPrefix(err.Error(), "hub: "))
	}
	if event, ok := members["event"]; ok {
		a := &hub.Attributes{}
		if a.Event, err = readString(event, what+".event"); err != nil {
			return m, err
		}
		m.Attributes = a
	}
	data, hasData := members["data"]
	encoded, isBinary := members["data_base64"]
	switch {
	case hasData == isBinary:
		return m, fmt.Errorf(`%s has to have one of "data" and "data_base64"`, what)
	case isBinary:
		m.Kind = hub.Binary
		m.Data, err = readBase64(encoded, what+".data_base64")
	case data[0] == '"':
		var text string
		text, err = readString(data, what+".data")
		m.Data = []byte(text)
	default:
		m.Kind, m.Data = hub.JSON, data
	}
	return m, err
}
