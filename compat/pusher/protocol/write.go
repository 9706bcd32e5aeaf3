package protocol

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/compat/piesocket/frame"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/ws/wire"
)

// The events of the protocol.
const (
	eventEstablished = "pusher:connection_established"
	eventError       = "pusher:error"
	eventPing        = "pusher:ping"
	eventPong        = "pusher:pong"
	eventSubscribe   = "pusher:subscribe"
	eventUnsubscribe = "pusher:unsubscribe"
	eventRefused     = "pusher:subscription_error"
	eventSignIn      = "pusher:signin"
	eventSignedIn    = "pusher:signin_success"
	eventCacheMiss   = "pusher:cache_miss"
	eventSucceeded   = "pusher_internal:subscription_succeeded"
	eventCount       = "pusher_internal:subscription_count"
	eventAdded       = "pusher_internal:member_added"
	eventRemoved     = "pusher_internal:member_removed"
	eventWatchlist   = "pusher_internal:watchlist_events"

	// PrefixOfClients begins the names of events that clients send themselves.
	PrefixOfClients = "client-"

	// EventUnnamed is the name under which clients hear a publication without one, and
	// EventBinary that of bytes.
	EventUnnamed = "message"
	EventBinary  = "binary"
)

// appendEvent appends an event of the protocol. Its data is text that holds JSON, as
// in nearly all events of the server. channel is "" for none.
func appendEvent(dst []byte, event, channel string, data []byte) []byte {
	dst = appendHead(dst, event, channel)
	dst = append(dst, `,"data":`...)
	dst = jsontext.AppendString(dst, data)
	return append(dst, '}')
}

func appendHead(dst []byte, event, channel string) []byte {
	dst = append(dst, `{"event":`...)
	dst = jsontext.AppendString(dst, event)
	if channel != "" {
		dst = append(dst, `,"channel":`...)
		dst = jsontext.AppendString(dst, channel)
	}
	return dst
}

// appendError appends pusher:error, the one event of the server with an object as its data.
// A code of 0 is none.
func appendError(dst []byte, code int, message string) []byte {
	dst = append(dst, `{"event":"`+eventError+`","data":{"code":`...)
	if code == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendInt(dst, int64(code), 10)
	}
	dst = append(dst, `,"message":`...)
	dst = jsontext.AppendString(dst, message)
	return append(dst, "}}"...)
}

// appendPublication appends a publication as the clients of an app hear it, nothing if
// its channel is none of the app's. With position it says where it stands.
func appendPublication(dst []byte, space Space, p *hub.Publication, position bool) []byte {
	name, ok := space.Name(p.Channel)
	if !ok {
		return dst
	}
	event, user, data := "", "", p.Data
	if a := p.Attributes; a != nil {
		event, user = eventOfClient(a.Event), a.User
		if a.Shape&hub.ShapeFrame != 0 {
			if payload, ok := frame.Payload(p.Data); ok {
				data = payload // what else there is in a frame has no place in an event
			}
		}
	}
	isOfClient := len(event) > len(PrefixOfClients) && event[:len(PrefixOfClients)] == PrefixOfClients
	if event == "" {
		event = EventUnnamed
		if p.Kind == hub.Binary {
			event = EventBinary
		}
	}
	dst = appendHead(dst, event, name)
	dst = append(dst, `,"data":`...)
	switch {
	case p.Kind == hub.Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, p.Data)
		dst = append(dst, '"')
	case p.Kind == hub.JSON && (isOfClient || len(data) < len(p.Data) && data[0] == '"'):
		dst = jsontext.AppendCompact(dst, data) // as the client has sent it: an object stays one, and a string
	default:
		dst = jsontext.AppendString(dst, data)
	}
	if id, ok := space.ID(user); ok && isOfClient && TraitsOf(name).Has(Presence) {
		dst = append(dst, `,"user_id":`...)
		dst = jsontext.AppendString(dst, id)
	}
	if position {
		dst = append(dst, `,"position":`...)
		dst = jsontext.AppendString(dst, p.Position.String())
	}
	return append(dst, '}')
}

// appendRoster appends the data of a presence channel's success. users are in order.
func appendRoster(dst []byte, users []Member) []byte {
	dst = append(dst, `{"presence":{"ids":[`...)
	for i := range users {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, users[i].ID)
	}
	dst = append(dst, `],"hash":{`...)
	for i := range users {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, users[i].ID)
		dst = append(dst, ':')
		dst = appendInfo(dst, users[i].Info)
	}
	dst = append(dst, `},"count":`...)
	dst = strconv.AppendInt(dst, int64(len(users)), 10)
	return append(dst, "}}"...)
}

// appendInfo appends the info of a user, null for none.
func appendInfo(dst, info []byte) []byte {
	if len(info) == 0 {
		return append(dst, "null"...)
	}
	return jsontext.AppendCompact(dst, info)
}

// appendMember appends the data of member_added, or of member_removed without info.
func appendMember(dst []byte, m *Member, isAdded bool) []byte {
	dst = append(dst, `{"user_id":`...)
	dst = jsontext.AppendString(dst, m.ID)
	if isAdded && len(m.Info) > 0 {
		dst = append(dst, `,"user_info":`...)
		dst = appendInfo(dst, m.Info)
	}
	return append(dst, '}')
}

// appendStatuses appends the data of watchlist_events.
func appendStatuses(dst []byte, online, offline []string) []byte {
	dst = append(dst, `{"events":[`...)
	isFirst := true
	for _, list := range [...]struct {
		name string
		ids  []string
	}{{"online", online}, {"offline", offline}} {
		if len(list.ids) == 0 {
			continue
		}
		if !isFirst {
			dst = append(dst, ',')
		}
		isFirst = false
		dst = append(dst, `{"name":"`+list.name+`","user_ids":[`...)
		for i, id := range list.ids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsontext.AppendString(dst, id)
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, "]}"...)
}

// appendEstablished appends the first message of a connection.
func appendEstablished(dst []byte, id string, activity time.Duration) []byte {
	data := append([]byte(`{"socket_id":"`), id...)
	data = append(data, `","activity_timeout":`...)
	// Clients take 0 for a mistake.
	data = strconv.AppendInt(data, max(1, int64(activity/time.Second)), 10)
	return appendEvent(dst, eventEstablished, "", append(data, '}'))
}

// appendPosition adds a position to an object that ends dst.
func appendPosition(dst []byte, p hub.Position) []byte {
	dst = dst[:len(dst)-1]
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, `"position":`...)
	dst = jsontext.AppendString(dst, p.String())
	return append(dst, '}')
}

func appendString(dst []byte, s string) []byte { return jsontext.AppendString(dst, s) }

// payloadOf is the payload of a frame that this package has made.
func payloadOf(frame []byte) []byte {
	_, n, err := wire.ParseHeader(frame)
	if err != nil || n == 0 {
		panic("pusher: what was made as a frame is none")
	}
	return frame[n:]
}
