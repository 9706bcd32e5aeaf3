package piesocket

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/piesocket/frame"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// API is the http.Handler of the requests of back ends:
//
//	POST /api/publish, /api/v4/publish      {"key":…,"secret":…,"channelId":…,"message":…}
//	GET  /api/connections                   {"CHANNEL":count}, with the fields Key and Secret
//	GET  /api/connections/sum               {"connections":count}
//	GET  /api/domains                       ["https://…"]
//
// An answer that is no success is {"error":…}. Bodies, which have the secret, are shown to
// nobody.
type API struct {
	o   Options
	now func() time.Time
}

// NewAPI returns an API. The error wraps an *OptionError.
func NewAPI(o *Options) (*API, error) {
	resolved, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if resolved.Hub == nil {
		return nil, errors.New("piesocket: option Hub: it is needed for the API")
	}
	return &API{resolved, time.Now}, nil
}

// Serves reports whether a path is one of the API's.
func (a *API) Serves(path string) bool { return a.handlerOf(path) != nil }

func (a *API) handlerOf(path string) func(http.ResponseWriter, *http.Request) {
	switch path {
	case "/api/publish", "/api/v4/publish":
		return a.servePublish
	case "/api/connections":
		return a.read(a.connections)
	case "/api/connections/sum":
		return a.read(a.sum)
	case "/api/domains":
		return a.read(a.domains)
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve := a.handlerOf(r.URL.Path)
	switch {
	case serve == nil:
		fail(w, http.StatusNotFound, "nothing is served here")
	case !a.o.Admits(r):
		fail(w, http.StatusForbidden, "pages of other origins may not do this; it is for back ends")
	default:
		serve(w, r)
	}
}

// publishing is the body of a request to publish.
type publishing struct {
	Key       string          `json:"key"`
	Secret    string          `json:"secret"`
	ChannelID json.RawMessage `json:"channelId"`
	RoomID    json.RawMessage `json:"roomId"`
	Message   json.RawMessage `json:"message"`
}

func (a *API) servePublish(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		fail(w, http.StatusMethodNotAllowed, "use POST")
		return
	}
	most := int64(a.o.BodyBytesMax)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", most))
		return
	case err != nil:
		fail(w, http.StatusBadRequest, "the body did not arrive")
		return
	}
	var p publishing
	if json.Unmarshal(body, &p) != nil {
		fail(w, http.StatusBadRequest, `the body is not {"key":…,"secret":…,"channelId":…,"message":…}`)
		return
	}
	owner, refused := a.authenticate(p.Key, p.Secret, "members of the body")
	if refused != "" {
		fail(w, http.StatusUnauthorized, refused)
		return
	}
	if p.ChannelID == nil {
		p.ChannelID = p.RoomID
	}
	a.publish(w, r, owner, nameOf(p.ChannelID), p.Message)
}

// authenticate returns the app with the key and the secret of a request, or why there is none.
// where says in which place they belong.
func (a *API) authenticate(key, secret, where string) (*app.App, string) {
	if key == "" || secret == "" {
		return nil, "key or secret is missing: they are " + where
	}
	owner := a.o.Apps.ByKey(key)
	if owner == nil || owner.Disabled || !owner.Secret.Equal([]byte(secret)) {
		return nil, "key and secret are those of no app here"
	}
	return owner, ""
}

// nameOf is the name of a channel: text, or a number.
func nameOf(raw json.RawMessage) string {
	var s string
	var n json.Number
	switch {
	case json.Unmarshal(raw, &s) == nil:
		return s
	case json.Unmarshal(raw, &n) == nil:
		return n.String()
	}
	return ""
}

func (a *API) publish(w http.ResponseWriter, r *http.Request, owner *app.App, channel string, message json.RawMessage) {
	full := owner.Channel(channel)
	switch err := hub.CheckChannel(full); {
	case channel == "" || strings.Contains(channel, "/") || full[0] == '@':
		fail(w, http.StatusBadRequest, `channelId names no channel: write a name without "/", such as "chat"`)
		return
	case err != nil:
		fail(w, http.StatusBadRequest, "channelId: "+textOf(err))
		return
	case message == nil:
		fail(w, http.StatusBadRequest, "message is missing")
		return
	}
	text := []byte(message)
	var s string
	if message[0] == '"' && json.Unmarshal(message, &s) == nil {
		text = []byte(s)
	}
	m, isObject := frame.Parse(text)
	if isSystem(m.Event) {
		fail(w, http.StatusBadRequest, "events that begin with system: are the server's own")
		return
	}
	if most := owner.PublicationBytes(NoLimit); len(text) > most {
		fail(w, http.StatusRequestEntityTooLarge, tooLong(len(text), most))
		return
	}
	if ok, after := owner.AllowPublication(a.now()); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(after.Seconds())))))
		fail(w, http.StatusTooManyRequests, "the app publishes more than it may")
		return
	}
	publication := messageOf(text, &m, isObject)
	publication.Channel = full
	_, _, err := a.o.Hub.Publish(r.Context(), publication)
	if err != nil {
		failPublish(w, r, err)
		return
	}
	succeed(w, []byte(`{"success":true}`))
}

func failPublish(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusServiceUnavailable
	switch {
	case errors.Is(err, hub.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, hub.ErrAttribute), errors.Is(err, hub.ErrNotJSON), errors.Is(err, hub.ErrTextNotUTF8):
		status = http.StatusBadRequest
	case r.Context().Err() != nil:
		return // the client has gone
	default:
		w.Header().Set("Retry-After", "1")
	}
	fail(w, status, textOf(err))
}

// read serves what an app can read.
func (a *API) read(answer func(*app.App) []byte) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.Header().Set("Allow", "GET")
			fail(w, http.StatusMethodNotAllowed, "use GET")
			return
		}
		owner, refused := a.authenticate(r.Header.Get("Key"), r.Header.Get("Secret"), "fields of the header")
		if refused != "" {
			fail(w, http.StatusUnauthorized, refused)
			return
		}
		succeed(w, answer(owner))
	}
}

// connections are the connections of every channel of the app, whatever protocol they speak.
func (a *API) connections(owner *app.App) []byte {
	b, n := []byte{'{'}, 0
	for _, c := range a.o.Hub.Channels() {
		name, isOwn := owner.Name(c.Name)
		if !isOwn || strings.Contains(name, "/") {
			continue
		}
		if n++; n > a.o.ListMax {
			break
		}
		if n > 1 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, name)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(c.Subscribers), 10)
	}
	return append(b, '}')
}

func (a *API) sum(owner *app.App) []byte {
	return append(strconv.AppendInt([]byte(`{"connections":`), int64(owner.Stats().Connections), 10), '}')
}

func (a *API) domains(*app.App) []byte {
	b := []byte{'['}
	for i, origin := range a.o.Origins {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, origin)
	}
	return append(b, ']')
}

func succeed(w http.ResponseWriter, body []byte) { answer(w, http.StatusOK, body) }

func fail(w http.ResponseWriter, status int, text string) {
	b := jsontext.AppendString([]byte(`{"error":`), text)
	answer(w, status, append(b, '}'))
}

func answer(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone does not want to know
}
