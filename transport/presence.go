package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// presence answers with the members of a channel, the longest first:
//
//	{"channel":"chat","count":1,"connections":[{"id":"…","transport":"websocket","since":"…"}]}
func (t *Transport) presence(d decision, channel string) decision {
	members, err := t.hub.Presence(channel)
	if err != nil {
		return t.refused(d, t.refuseHub(d.path, err))
	}
	body := make([]byte, 0, 96*(len(members)+1)+len(channel))
	body = append(body, `{"channel":`...)
	body = jsontext.AppendString(body, channel)
	body = append(body, `,"count":`...)
	body = strconv.AppendInt(body, int64(len(members)), 10)
	body = append(body, `,"connections":[`...)
	for i, m := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"id":`...)
		body = jsontext.AppendString(body, m.ID)
		body = append(body, `,"transport":`...)
		body = jsontext.AppendString(body, m.Transport)
		body = append(body, `,"since":"`...)
		body = m.Since.UTC().AppendFormat(body, time.RFC3339Nano)
		body = append(body, `"}`...)
	}
	body = append(body, "]}\n"...)

	d.response = new(response)
	t.begin(&d.asker, d.response, http.StatusOK)
	d.response.set("Content-Type", "application/json")
	d.response.body = body
	return d
}
