package pusher

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
)

// fault is an answer that is no success. Libraries show its text.
type fault struct {
	status int
	text   string
	after  time.Duration // when it may be tried again, 0 if that is not known
}

func (f *fault) Error() string { return f.text }

func refuse(status int, format string, args ...any) *fault {
	return &fault{status: status, text: fmt.Sprintf(format, args...)}
}

// signatureAge is how far the time of a request may be from ours.
const signatureAge = 600 * time.Second

// call is a request of the HTTP API, after its signature was checked.
type call struct {
	server *Server
	app    *app.App
	space  protocol.Space
	query  url.Values
	body   []byte
}

// operation is the operation at a path below /apps/ID.
type operation struct {
	method string
	do     func(*call, *http.Request, string) (any, *fault)
	name   string // the name in the path, decoded
}

// operationOf finds the operation of a path, which is what follows /apps/ID/. A channel's
// name has no slash, and a user's ID is encoded.
func operationOf(path string) (op operation, ok bool) {
	first, rest, _ := strings.Cut(path, "/")
	switch {
	case path == "events":
		return operation{http.MethodPost, (*call).events, ""}, true
	case path == "batch_events":
		return operation{http.MethodPost, (*call).batch, ""}, true
	case path == "channels":
		return operation{http.MethodGet, (*call).channels, ""}, true
	}
	name, last, _ := strings.Cut(rest, "/")
	name, err := url.PathUnescape(name)
	switch {
	case err != nil || name == "":
	case first == "channels" && last == "":
		return operation{http.MethodGet, (*call).channel, name}, true
	case first == "channels" && last == "users":
		return operation{http.MethodGet, (*call).users, name}, true
	case first == "users" && last == "terminate_connections":
		return operation{http.MethodPost, (*call).terminate, name}, true
	}
	return operation{}, false
}

// serveAPI serves the HTTP API. path is as it was sent, without Options.Prefix.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request, path string) {
	answer, f := s.callAPI(w, r, path)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if f != nil {
		if f.after > 0 {
			h.Set("Retry-After", strconv.Itoa(int((f.after+time.Second-1)/time.Second)))
		}
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.text+"\n") // a client that has gone does not want to know
		return
	}
	body, err := json.Marshal(answer)
	if err != nil {
		panic("pusher: an answer is no JSON: " + err.Error())
	}
	h.Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func (s *Server) callAPI(w http.ResponseWriter, r *http.Request, path string) (any, *fault) {
	id, rest, _ := strings.Cut(strings.TrimPrefix(path, apiPath), "/")
	op, ok := operationOf(strings.TrimSuffix(rest, "/"))
	switch {
	case !ok:
		return nil, refuse(404, "there is nothing at %s", shortened(path))
	case r.Method != op.method && (op.method != http.MethodGet || r.Method != http.MethodHead):
		w.Header().Set("Allow", op.method)
		return nil, refuse(405, "the method is %s there", op.method)
	}
	a := s.o.Apps.ByID(id)
	if a == nil {
		return nil, refuse(404, "there is no app with the ID %s here", shortened(id))
	}
	body, f := readBody(w, r, s.o.BodyBytesMax)
	if f != nil {
		return nil, f
	}
	c := &call{server: s, app: a, space: s.appOf(a).Forms.Space(), body: body}
	if f := c.authenticate(r, path); f != nil {
		return nil, f
	}
	if a.Disabled {
		return nil, refuse(403, "the app is disabled")
	}
	return op.do(c, r, op.name)
}

// readBody reads the whole body.
func readBody(w http.ResponseWriter, r *http.Request, most int) ([]byte, *fault) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(most)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, refuse(413, "the body is longer than %d bytes", most)
	case err != nil:
		return nil, refuse(400, "the body did not arrive")
	}
	return body, nil
}

// authenticate checks the signature of a request: of everything that it says.
func (c *call) authenticate(r *http.Request, path string) *fault {
	params, f := parameters(r.URL.RawQuery)
	if f != nil {
		return f
	}
	c.query = make(url.Values)
	for _, p := range params {
		if strings.HasPrefix(p.Name, "auth_") || p.Name == "body_md5" {
			if c.query.Has(p.Name) {
				return refuse(401, "the parameter %s is there twice", p.Name)
			}
		}
		c.query.Add(p.Name, p.Value)
	}
	for _, name := range []string{"auth_key", "auth_timestamp", "auth_version", "auth_signature"} {
		if c.query.Get(name) == "" {
			return refuse(401, "the parameter %s is missing: requests are signed as https://pusher.com/docs/channels/library_auth_reference/rest-api says", name)
		}
	}
	if key := c.query.Get("auth_key"); key != c.app.Key {
		return refuse(401, "the key %s is not that of the app %s", shortened(key), c.app.ID)
	}
	if version := c.query.Get("auth_version"); version != "1.0" {
		return refuse(401, "the auth_version %s is not known; it is 1.0", shortened(version))
	}
	seconds, err := strconv.ParseInt(c.query.Get("auth_timestamp"), 10, 64)
	now := c.server.o.Now()
	if away := now.Sub(time.Unix(seconds, 0)); err != nil || away > signatureAge || away < -signatureAge {
		return refuse(401, "the auth_timestamp %s is not within %d s of now, which is %d: are the clocks right?",
			shortened(c.query.Get("auth_timestamp")), int(signatureAge.Seconds()), now.Unix())
	}
	sum := md5.Sum(c.body)
	switch digest := c.query.Get("body_md5"); {
	case digest == "" && len(c.body) > 0:
		return refuse(401, "the parameter body_md5 is missing, although there is a body")
	case digest != "" && !hmac.Equal([]byte(strings.ToLower(digest)), []byte(hex.EncodeToString(sum[:]))):
		return refuse(401, "the body_md5 %s is not that of the body, which is %s: was the body changed on its way?", shortened(digest), hex.EncodeToString(sum[:]))
	}
	// Libraries sign the path that they were given. A proxy, or Prefix, may have put
	// something before it; and characters encoded in it may have been signed decoded.
	signature, secret := c.query.Get("auth_signature"), string(c.app.Secret)
	paths := []string{path, c.server.o.Prefix + path}
	if decoded, err := url.PathUnescape(path); err == nil && decoded != path {
		paths = append(paths, decoded, c.server.o.Prefix+decoded)
	}
	for _, path := range paths {
		if protocol.IsRequestSigned(secret, signature, r.Method, path, params) {
			return nil
		}
	}
	return refuse(401, "Invalid signature: you should have sent HmacSHA256Hex(%q, your_secret_key), but you sent %s",
		protocol.SignedRequest(r.Method, path, params), shortened(signature))
}

// parametersMax is how many parameters a query may have.
const parametersMax = 100

// parameters reads a query, with the parameters as they stand in it.
func parameters(query string) ([]protocol.Parameter, *fault) {
	var params []protocol.Parameter
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		value, also := url.QueryUnescape(value)
		if err != nil || also != nil {
			return nil, refuse(400, "the query cannot be read")
		}
		if params = append(params, protocol.Parameter{Name: name, Value: value}); len(params) > parametersMax {
			return nil, refuse(400, "the query has more than %d parameters", parametersMax)
		}
	}
	return params, nil
}

// infos are the attributes of channels that a back end asks for.
type infos struct{ users, subscriptions, cache bool }

// parseInfos reads a list of names, joined by commas. allowed are the names that may be
// asked for.
func parseInfos(text string, allowed ...string) (i infos, f *fault) {
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		isAllowed := name == ""
		for _, a := range allowed {
			isAllowed = isAllowed || a == name
		}
		if !isAllowed {
			return infos{}, refuse(400, "info %s is not to be had here; there are %s", shortened(name), strings.Join(allowed, ", "))
		}
		switch name {
		case "user_count":
			i.users = true
		case "subscription_count":
			i.subscriptions = true
		case "cache":
			i.cache = true
		}
	}
	return i, nil
}
