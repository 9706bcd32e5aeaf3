package deflate

import (
	"strconv"

	"github.com/godwit-io/godwit/ws/handshake"
)

// Name is the extension's name in Sec-WebSocket-Extensions.
const Name = "permessage-deflate"

// The range of window bits (RFC 7692 §7.1.2).
const (
	WindowBitsMin = 8
	WindowBitsMax = 15
)

// The extension's parameters (RFC 7692 §7.1).
const (
	serverNoContextTakeover = "server_no_context_takeover"
	clientNoContextTakeover = "client_no_context_takeover"
	serverMaxWindowBits     = "server_max_window_bits"
	clientMaxWindowBits     = "client_max_window_bits"
)

// Params is what client and server agreed on (RFC 7692 §7.1).
type Params struct {
	ServerNoContextTakeover bool // the server compresses every message on its own
	ClientNoContextTakeover bool // the client does
	ServerMaxWindowBits     int  // 8 to 15: how far back the server refers
	ClientMaxWindowBits     int  // 8 to 15: how far back the client refers
}

// Direction is the part of Params that governs what one side sends: a server
// deflates with FromServer and inflates with FromClient, a client the other way
// round.
type Direction struct {
	NoContextTakeover bool // every message on its own
	WindowBits        int  // 0 means 15
}

// FromServer returns what governs the messages of the server.
func (p Params) FromServer() Direction {
	return Direction{p.ServerNoContextTakeover, p.ServerMaxWindowBits}
}

// FromClient returns what governs the messages of the client.
func (p Params) FromClient() Direction {
	return Direction{p.ClientNoContextTakeover, p.ClientMaxWindowBits}
}

// fields are the parameters of one element as they stand there: bits are 0
// when the parameter is absent.
type fields struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int
	clientBitsOpen                     bool // client_max_window_bits without a value
}

// parseFields reads an element of a field. inOffer says that it comes from a
// client, which may leave client_max_window_bits without a value (§7.1.2.2).
// The reason is empty when there is nothing wrong: no parameter may be unknown,
// occur twice or have another value than it should (§7.1).
func parseFields(e handshake.Extension, inOffer bool) (f fields, reason string) {
	for i, p := range e.Params {
		for _, before := range e.Params[:i] {
			if before.Name == p.Name {
				return f, quote(p.Name) + " must not occur twice"
			}
		}
		switch p.Name {
		case serverNoContextTakeover, clientNoContextTakeover:
			if p.HasValue {
				return f, p.Name + " has no value, so not " + quote(p.Value)
			}
			if p.Name == serverNoContextTakeover {
				f.serverNoTakeover = true
			} else {
				f.clientNoTakeover = true
			}
		case serverMaxWindowBits, clientMaxWindowBits:
			if !p.HasValue && inOffer && p.Name == clientMaxWindowBits {
				f.clientBitsOpen = true
				continue
			}
			bits, ok := parseWindowBits(p.Value)
			if !ok {
				return f, p.Name + " must be 8 to 15, without leading zeros, not " + quote(p.Value)
			}
			if p.Name == serverMaxWindowBits {
				f.serverBits = bits
			} else {
				f.clientBits = bits
			}
		default:
			return f, "there is no parameter " + quote(p.Name)
		}
	}
	return f, ""
}

// parseWindowBits reads a decimal integer from 8 to 15 without leading zeros.
func parseWindowBits(s string) (bits int, ok bool) {
	switch {
	case len(s) == 1 && (s[0] == '8' || s[0] == '9'):
		return int(s[0] - '0'), true
	case len(s) == 2 && s[0] == '1' && '0' <= s[1] && s[1] <= '5':
		return 10 + int(s[1]-'0'), true
	}
	return 0, false
}

// extension is the element that says f.
func (f fields) extension() handshake.Extension {
	e := handshake.Extension{Name: Name}
	flag := func(name string) { e.Params = append(e.Params, handshake.Param{Name: name}) }
	value := func(name string, bits int) {
		e.Params = append(e.Params, handshake.Param{Name: name, Value: strconv.Itoa(bits), HasValue: true})
	}
	if f.serverNoTakeover {
		flag(serverNoContextTakeover)
	}
	if f.clientNoTakeover {
		flag(clientNoContextTakeover)
	}
	if f.serverBits > 0 {
		value(serverMaxWindowBits, f.serverBits)
	}
	if f.clientBits > 0 {
		value(clientMaxWindowBits, f.clientBits)
	}
	if f.clientBitsOpen {
		flag(clientMaxWindowBits)
	}
	return e
}

// quote makes text of the peer fit for an error: quoted, in ASCII, truncated.
func quote(s string) string {
	const quotedBytesMax = 64
	if len(s) > quotedBytesMax {
		return strconv.QuoteToASCII(s[:quotedBytesMax]) + "..."
	}
	return strconv.QuoteToASCII(s)
}
