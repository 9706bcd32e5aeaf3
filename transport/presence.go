package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// servePresence says who is subscribed to a channel, the longest first:
//
//	{"channel":"chat","count":1,"connections":[{"id":"…","transport":"websocket","since":"…"}]}
func (t *Transport) servePresence(w http.ResponseWriter, r *http.Request, channel string) {
	members, err := t.hub.Presence(channel)
	if err != nil {
		t.refuseHub(r.URL.Path, err).write(w, r)
		return
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

	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	out := t.newWriter(w, r)
	if _, err := out.Write(body); err == nil {
		_ = out.flush()
	}
}
