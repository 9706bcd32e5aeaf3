//go:build !js

package ws

import (
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// agreement is what a handshake has agreed on.
type agreement struct {
	subprotocol string
	compressed  bool
	compression deflate.Params
}

// accept answers the extensions that a client offers. The string is the value of
// Sec-WebSocket-Extensions.
func (s *settings) accept(offered []handshake.Extension, a *agreement) (string, error) {
	if s.Compression == nil {
		return "", nil
	}
	params, response, ok := deflate.Accept(offered, s.Compression)
	if !ok {
		return "", nil // uncompressed, then
	}
	a.compressed, a.compression = true, params
	b, err := handshake.AppendExtension(nil, response)
	return string(b), err
}

// offer is the value of Sec-WebSocket-Extensions that a client sends.
func (s *settings) offer() (deflateOffer handshake.Extension, value string, err error) {
	if s.Compression == nil {
		return handshake.Extension{}, "", nil
	}
	e := deflate.Offer(s.Compression)
	b, err := handshake.AppendExtension(nil, e)
	return e, string(b), err
}

// Compression returns the parameters of permessage-deflate, and false if
// messages are not compressed.
func (c *Conn) Compression() (deflate.Params, bool) {
	if !c.compressed() {
		return deflate.Params{}, false
	}
	return c.agreed.compression, true
}

func (c *Conn) compressed() bool { return c.agreed != nil && c.agreed.compressed }
