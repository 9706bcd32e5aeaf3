package piesocket

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Protocol is a transport.Protocol. Make it with NewProtocol. It is safe for concurrent
// use.
type Protocol struct {
	o       Options
	now     func() time.Time
	returns *returns
}

// NewProtocol returns a Protocol. The error wraps an *OptionError.
func NewProtocol(o *Options) (*Protocol, error) {
	resolved, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Protocol{o: resolved, now: time.Now, returns: newReturns()}, nil
}

// Serves implements transport.Protocol: everything below /v3/ and /v4/.
func (p *Protocol) Serves(path string) bool { return versionOf(path) != 0 }

func versionOf(path string) int {
	if len(path) >= 4 && path[0] == '/' && path[1] == 'v' && path[3] == '/' && (path[2] == '3' || path[2] == '4') {
		return int(path[2] - '0')
	}
	return 0
}

// Open implements transport.Protocol. It refuses nothing: a fault is told on the
// WebSocket, where a client can read it, and which keeps it from coming back.
func (p *Protocol) Open(r *transport.Request) (dialect.OverSocket, *transport.Refusal) {
	s := &Socket{protocol: p, version: versionOf(r.Path())}
	q, err := parseQuery(r.Query())
	if err != nil {
		s.refusal = &refusal{code: closeBadRequest, text: err.Error()}
		return s, nil
	}
	s.notifiesSelf = q.notifiesSelf
	s.app = p.o.Apps.ByKey(q.key)
	if s.app != nil && s.app.Disabled {
		s.app = nil
	}
	if s.app == nil {
		s.refusal = refuseKey(q.key)
		return s, nil
	}
	if q.token == "" {
		q.token = strings.Clone(r.Get("jwt"))
	}
	s.uuid = q.uuid
	if s.uuid == "" {
		s.uuid = newUUID()
	}
	escaped := r.Path()[len("/v3/"):]
	name, err := url.PathUnescape(escaped)
	if err != nil {
		s.refusal = &refusal{code: closeBadRequest, text: "the percent-encoding of the channel is malformed"}
		return s, nil
	}
	ask := asked{name: strings.Clone(name), uuid: s.uuid, user: q.user, token: q.token, presence: q.presence}
	if s.primary, s.refusal = s.newChannel(&ask, p.now()); s.refusal != nil {
		return s, nil
	}
	s.primary.options.Since, s.primary.options.Last = q.since, q.last
	s.delay = p.returns.delay(q.key, p.o.Address(r), p.now())
	return s, nil
}

// demoKey is what clients have by default: it is one of the service.
const demoKey = "oCdCMcMPQpbvNjUIzqtvF1d2X2okWpDQj4AwARJuAgtjhzKxVEjQU6IdCjwm"

func refuseKey(key string) *refusal {
	switch key {
	case "":
		return &refusal{code: closeUnknown, text: "api_key is missing: write ?api_key= and the key of the app"}
	case demoKey:
		return &refusal{code: closeUnknown, text: "api_key is the demo key of piesocket.com, which clients have by default; give yours"}
	}
	return &refusal{code: closeUnknown, text: "api_key is that of no app here"}
}

// query holds the parameters in the URL of a connection.
type query struct {
	key, token, uuid string
	user             string
	notifiesSelf     bool
	presence         bool

	since hub.Position // extensions, of version 3
	last  int
}

// parseQuery reads a query. Unknown parameters are ignored.
func parseQuery(raw string) (q query, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return query{}, fmt.Errorf("the query of the URL is malformed; encode it as in a form")
	}
	q = query{
		key: values.Get("api_key"), token: values.Get("jwt"), uuid: values.Get("uuid"), user: values.Get("user"),
		notifiesSelf: isOn(values, "notify_self"), presence: isOn(values, "presence"),
	}
	if q.key == "" {
		q.key = values.Get("apiKey")
	}
	if since := values.Get("since"); since != "" {
		if q.since, err = hub.ParsePosition(since); err != nil {
			return query{}, fmt.Errorf("since: %s", strings.TrimPrefix(err.Error(), "hub: "))
		}
	}
	if last := values.Get("last"); last != "" {
		n, err := strconv.ParseUint(last, 10, 31)
		if err != nil {
			return query{}, fmt.Errorf("last is not a number")
		}
		q.last = int(n)
	}
	return q, nil
}

// isOn reports whether a switch is on: clients write 1, true, or nothing behind its name,
// and 0 or false to turn it off.
func isOn(values url.Values, name string) bool {
	list, ok := values[name]
	if !ok {
		return false
	}
	return list[0] == "" || list[0] == "1" || list[0] == "true"
}

// newUUID is an identifier for a member that has none (RFC 9562 §5.4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// grantsOf returns the grants of a client in one channel, whose name parses as a pattern.
func grantsOf(a *app.App, m *member, channels ...string) (*access.Identity, error) {
	granted := make(map[string][]string)
	for _, action := range []access.Action{access.Subscribe, access.Publish, access.Presence, access.History} {
		granted[action.String()] = channels
	}
	grants, err := access.ParseGrants(granted)
	if err != nil {
		return nil, err
	}
	return &access.Identity{Kind: access.Application, Name: a.Key, User: m.provenUser(a), Info: m.json(), Grants: grants}, nil
}
