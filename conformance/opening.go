package conformance

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/ws/handshake"
)

// opening is a request or a response to send, right or wrong.
type opening struct {
	first  string
	fields []field
	rest   string // what follows the empty line
}

type field struct{ name, value string }

// set replaces the fields called name by one, or adds one.
func (o *opening) set(name, value string) {
	for i, f := range o.fields {
		if strings.EqualFold(f.name, name) {
			o.remove(name)
			o.fields = slices.Insert(o.fields, i, field{name, value})
			return
		}
	}
	o.add(name, value)
}

func (o *opening) add(name, value string) { o.fields = append(o.fields, field{name, value}) }

func (o *opening) remove(name string) {
	o.fields = slices.DeleteFunc(o.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

func (o *opening) get(name string) string {
	for _, f := range o.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// String returns the bytes. A field without a name is a line as it is.
func (o *opening) String() string {
	var b strings.Builder
	b.WriteString(o.first + "\r\n")
	for _, f := range o.fields {
		if f.name != "" {
			b.WriteString(f.name + ": ")
		}
		b.WriteString(f.value + "\r\n")
	}
	b.WriteString("\r\n" + o.rest)
	return b.String()
}

// newRequest is the request of a client that keeps to the rules.
func (s *session) newRequest() *opening {
	var random [16]byte
	for i := range random {
		random[i] = byte(s.random.Uint32())
	}
	s.key = handshake.NewKey(random)
	t := s.suite.target
	o := &opening{first: "GET " + t.uri + " HTTP/1.1"}
	o.add("Host", t.host)
	o.add("Upgrade", "websocket")
	o.add("Connection", "Upgrade")
	o.add("Sec-WebSocket-Key", s.key)
	o.add("Sec-WebSocket-Version", "13")
	for _, name := range slices.Sorted(maps.Keys(s.suite.options.Header)) {
		for _, v := range s.suite.options.Header[name] {
			o.add(name, v)
		}
	}
	return o
}

// newResponse is the response of a server that keeps to the rules.
func (s *session) newResponse() *opening {
	o := &opening{first: "HTTP/1.1 101 Switching Protocols"}
	o.add("Upgrade", "websocket")
	o.add("Connection", "Upgrade")
	o.add("Sec-WebSocket-Accept", handshake.AcceptKey(s.key))
	if first := s.firstOffered(); first != "" {
		o.add("Sec-WebSocket-Protocol", first) // a client may insist on one
	}
	return o
}

// terms are what a case asks for in the opening handshake.
type terms struct {
	offer  string   // extensions that the suite offers as a client
	subs   []string // subprotocols, likewise
	answer string   // extension that the suite accepts as a server
	early  []frame  // sent in the same write as the handshake
	size   int      // bytes in a write, 0 for all in one
}

// open does the opening handshake.
func (s *session) open() { s.openWith(terms{}) }

// openWith does the opening handshake on some terms. The case is over if it fails.
func (s *session) openWith(t terms) {
	if s.role == Server {
		s.openToServer(t)
	} else {
		s.openToClient(t)
	}
}

func (s *session) openToServer(t terms) {
	if !s.dial() {
		return
	}
	o := s.newRequest()
	if t.offer != "" {
		o.add("Sec-WebSocket-Extensions", t.offer)
	}
	if len(t.subs) > 0 {
		o.add("Sec-WebSocket-Protocol", strings.Join(t.subs, ", "))
	}
	s.writeOpening(o, t)
	h, err := readHead(s.br, s.log)
	if err != nil {
		s.fail("no response came to the opening handshake: %s", describeEnd(err))
		return
	}
	s.acceptResponse(h, t)
}

// writeOpening writes o and the bytes that are to follow it at once.
func (s *session) writeOpening(o *opening, t terms) {
	b := []byte(o.String())
	s.log.sent("%s", showHead(string(b)))
	for _, f := range t.early {
		b = append(b, s.encode(f)...)
	}
	s.write(b, t.size)
}

// acceptResponse holds the response of a server to the rules and begins to
// receive frames.
func (s *session) acceptResponse(h *head, t terms) {
	code, major, minor, err := h.status()
	if err != nil {
		s.fail("%s", err)
		return
	}
	result, err := handshake.CheckResponse(code, major, minor, h.fields, &handshake.Offer{
		Key: s.key, Subprotocols: t.subs, Extensions: t.offer,
	})
	if err != nil {
		s.fail("the opening handshake failed: %s", strings.TrimPrefix(err.Error(), "handshake: "))
		return
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
		if h.fields[name] != nil {
			s.nonStrict("the 101 response has a %s field, which a response without content must not have (RFC 9110 §8.6, RFC 9112 §6.1)", name)
		}
	}
	s.sub = result.Subprotocol
	if len(result.Extensions) > 0 {
		agreed, err := agree(t.offer, result.Extensions)
		if err != nil {
			s.fail("%s", err)
			return
		}
		if agreed.remark != "" {
			s.nonStrict("%s", agreed.remark)
		}
		s.agreed = agreed
	}
	if !s.dry {
		s.listen()
	}
}

func (s *session) openToClient(t terms) {
	o := s.newResponse()
	if t.answer != "" {
		o.add("Sec-WebSocket-Extensions", t.answer)
		accepted, err := handshake.ParseExtensions([]string{t.answer})
		if err == nil {
			s.agreed, err = agreeTo(accepted)
		}
		if err != nil {
			s.fail("the suite answers with an extension that it cannot speak: %v", err)
			return
		}
		s.agreed.sendsAsServer = true
	}
	s.writeOpening(o, t)
	s.listen()
}

// respond writes a response that a client may have to refuse.
func (s *session) respond(o *opening, t terms) {
	s.writeOpening(o, t)
	s.listen()
}

// refused judges the answer to a request that must not become a WebSocket.
// statuses are those that fit, the best first; none means any from 400 on.
func (s *session) refused(h *head, err error, statuses ...int) {
	if err != nil && h == nil {
		s.nonStrict("the connection ended without a response (%s); %s would tell the client why", describeEnd(err), orAny(statuses))
		return
	}
	code, _, _, statusErr := h.status()
	switch {
	case statusErr != nil:
		s.fail("%s", statusErr)
	case code == http.StatusSwitchingProtocols:
		s.fail("the server accepted it")
	case len(statuses) == 0 && code >= 400, slices.Contains(statuses, code):
	case code >= 200:
		s.nonStrict("the server answered %d where %s fits", code, orAny(statuses))
	default:
		s.fail("the server answered %d", code)
	}
}

func orAny(statuses []int) string {
	if len(statuses) == 0 {
		return "a status from 400 on"
	}
	names := make([]string, len(statuses))
	for i, code := range statuses {
		names[i] = strconv.Itoa(code)
	}
	return strings.Join(names, " or ")
}
