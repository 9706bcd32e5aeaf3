package inspect

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// open judges a 101 and, if it opens a WebSocket, uses it.
func (in *inspector) open(ctx context.Context, a *attempt) {
	defer a.close()
	describeFields(a)
	params, compressed, ok := in.judgeSwitch(a)
	if !ok {
		return
	}
	in.found("handshake-ok", "The handshake is valid; it took "+show(a.x.Response.Took)+".", "")
	if n := a.head.values("Content-Length"); len(n) > 0 && n[0] != "0" || len(a.head.values("Transfer-Encoding")) > 0 {
		in.found("content-in-101", "The 101 announces content with Content-Length or Transfer-Encoding, which it must not (RFC 9110 §8.6).",
			"Remove both fields from the 101: what one proxy takes for content is frames to the next.")
	}
	s := newSession(in, a)
	if compressed {
		s.compress(params)
	}
	in.judgeCompression(s, compressed)
	s.run(ctx)
	if ctx.Err() == nil {
		in.probeOrigins(ctx, a)
		in.setRight()
	}
}

// judgeSwitch applies the rules of RFC 6455 §4.1 to a 101, one by one, so that
// all that is wrong is said.
func (in *inspector) judgeSwitch(a *attempt) (p deflate.Params, compressed, ok bool) {
	h := a.head
	if isDraft(h) {
		in.found("draft-old", "The answer is that of a draft before RFC 6455 (2011), such as hixie-76, which no browser speaks any more.",
			"Update the server's WebSocket library; an answer of RFC 6455 has a Sec-WebSocket-Accept.")
		return p, false, false
	}
	const change = "Send exactly this from the server, or mend the proxy that removes it"
	if h.major != 1 || h.minor < 1 {
		in.found("http-version", fmt.Sprintf("The 101 is HTTP/%d.%d, which has no 101: it must be HTTP/1.1.", h.major, h.minor),
			"Answer with HTTP/1.1; a proxy that speaks HTTP/1.0 to the server behind it has to be told to use 1.1 (nginx: proxy_http_version 1.1).")
	}
	upgrade := h.values("Upgrade")
	switch list := elements(upgrade); {
	case len(list) == 0:
		in.found("upgrade-missing", "The response lacks Upgrade: websocket.", change+": Upgrade: websocket.")
	case len(list) > 1 || !strings.EqualFold(list[0], "websocket"):
		in.found("upgrade-wrong", "The response must have Upgrade: websocket, and has "+quoteAll(upgrade)+".", change+": Upgrade: websocket.")
	}
	connection := h.values("Connection")
	switch list := elements(connection); {
	case len(list) == 0:
		in.found("connection-missing", "The response lacks Connection: Upgrade.", change+": Connection: Upgrade.")
	case !slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, "upgrade") }):
		in.found("connection-wrong", "The response must have Connection: Upgrade, and has "+quoteAll(connection)+".", change+": Connection: Upgrade.")
	}
	in.judgeAccept(h.values("Sec-WebSocket-Accept"), a.offer.Key)
	in.judgeSubprotocol(h.values("Sec-WebSocket-Protocol"), a.offer.Subprotocols)
	p, compressed = in.judgeExtensions(h.values("Sec-WebSocket-Extensions"), a)
	_, err := handshake.CheckResponse(h.status, h.major, h.minor, h.fields, &a.offer)
	return p, compressed, err == nil && !in.has("extension-parameters")
}

// isDraft recognises the answers of hixie-75 and hixie-76.
func isDraft(h *head) bool {
	if len(h.values("Sec-WebSocket-Accept")) > 0 {
		return false
	}
	return len(h.values("Sec-WebSocket-Origin")) > 0 || len(h.values("Sec-WebSocket-Location")) > 0 ||
		len(h.values("WebSocket-Origin")) > 0 || len(h.values("WebSocket-Location")) > 0 ||
		strings.Contains(h.start, "Web Socket Protocol Handshake") || strings.Contains(h.start, "WebSocket Protocol Handshake")
}

func (in *inspector) judgeAccept(values []string, key string) {
	want := handshake.AcceptKey(key)
	do := "Compute it as the base64 of the SHA-1 of the key as it stands followed by 258EAFA5-E914-47DA-95CA-C5AB0DC85B11 (RFC 6455 §4.2.2)."
	switch {
	case len(values) == 0:
		in.found("accept-missing", "The response lacks Sec-WebSocket-Accept, so nothing proves that a WebSocket server answered; for the key "+key+" it would be "+want+".", do)
	case len(values) > 1:
		in.found("accept-repeated", "Sec-WebSocket-Accept comes "+count(len(values), "time")+".", "Send it once; perhaps both a proxy and the server behind it answer the handshake.")
	case values[0] != want:
		means := "Sec-WebSocket-Accept is " + quote(values[0]) + "; for the key " + key + " it must be " + want + "."
		if why := explainAccept(values[0], key); why != "" {
			means += " The server's is " + why + "."
		}
		in.found("accept-wrong", means, do)
	}
}

// explainAccept says how a wrong value came about, if it is one of the usual
// mistakes, and "" otherwise.
func explainAccept(got, key string) string {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	want := handshake.AcceptKey(key)
	sum := func(s string) string {
		b := sha1.Sum([]byte(s))
		return base64.StdEncoding.EncodeToString(b[:])
	}
	digest := sha1.Sum([]byte(key + guid))
	inHex := hex.EncodeToString(digest[:])
	raw, _ := base64.StdEncoding.DecodeString(key)
	switch got {
	case key:
		return "the key itself"
	case sum(key):
		return "the hash of the key alone, without the GUID behind it"
	case inHex, strings.ToUpper(inHex):
		return "the right hash in hexadecimal instead of base64"
	case base64.StdEncoding.EncodeToString([]byte(inHex)), base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(inHex))):
		return "the base64 of the hash's hexadecimal form, instead of the hash's bytes"
	case strings.TrimRight(want, "="):
		return "right but for the padding, = at its end"
	case `"` + want + `"`:
		return "right but for the quotes around it"
	case base64.URLEncoding.EncodeToString(digest[:]), base64.RawURLEncoding.EncodeToString(digest[:]):
		return "right but for the alphabet: it is base64url instead of base64"
	case sum(string(raw) + guid):
		return "the hash of the decoded key; the key must be hashed as the text it is"
	case sum(key + strings.ToLower(guid)):
		return "made with the GUID in lower case, which must be in upper case"
	case sum(guid + key):
		return "made with the GUID before the key; it belongs behind it"
	case sum(strings.TrimRight(key, "=") + guid):
		return "made of the key without its padding"
	case sum(" " + key + guid), sum(key + "\r\n" + guid), sum(key + "\n" + guid), sum(key + "\r" + guid), sum(key + " " + guid):
		return "made of the key with white space around it that is not part of it"
	case sum(guid):
		return "made of an empty key: the server did not find the header field, whose name may be in any case"
	case "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":
		return "that of the example in RFC 6455 §1.3, written into the server or a cached answer"
	}
	if strings.EqualFold(got, want) {
		return "right but for upper and lower case"
	}
	return ""
}

func (in *inspector) judgeSubprotocol(values, offered []string) {
	switch {
	case len(values) == 0 && len(offered) > 0:
		in.found("subprotocol-none", "The server chose none of the subprotocols "+quoteAll(offered)+"; browsers then end the connection.",
			"Configure the server to speak one of them, compared letter by letter, or offer none.")
	case len(values) == 0:
	case len(offered) == 0:
		in.found("subprotocol-unasked", "The server chose the subprotocol "+quoteAll(values)+", and none was offered; clients end the connection.",
			"Send Sec-WebSocket-Protocol only in answer to an offer; to see how it goes with an offer, add --subprotocol.")
	case len(values) > 1 || strings.Contains(values[0], ","):
		in.found("subprotocol-repeated", "The server must choose one subprotocol, and names several: "+quoteAll(values)+".", "Choose one of those offered, instead of repeating the offer.")
	case !slices.Contains(offered, values[0]):
		in.found("subprotocol-unasked", "The server chose the subprotocol "+quote(values[0])+", which is not among those offered, "+quoteAll(offered)+"; clients end the connection.",
			"Choose one of those offered, letter by letter, or none.")
	default:
		in.found("subprotocol-ok", "The server chose the subprotocol "+quote(values[0])+".", "")
	}
}

func (in *inspector) judgeExtensions(values []string, a *attempt) (deflate.Params, bool) {
	if len(values) == 0 {
		return deflate.Params{}, false
	}
	list, err := handshake.ParseExtensions(values)
	if err != nil {
		var syntax *handshake.SyntaxError
		errors.As(err, &syntax)
		in.found("extension-malformed", "Sec-WebSocket-Extensions, "+quoteAll(values)+", breaks its grammar: "+printable(syntax.Reason, 200)+".", "Mend the field, or leave it out.")
		return deflate.Params{}, false
	}
	for _, e := range list {
		if e.Name != deflate.Name || a.offer.Extensions == "" {
			in.found("extension-unasked", "The server accepted the extension "+quote(e.Name)+", which was not offered; clients end the connection.", "Accept only what the client offers.")
			return deflate.Params{}, false
		}
	}
	p, ok, err := deflate.CheckResponse(list, a.offered())
	if err != nil {
		var wrong *deflate.ResponseError
		errors.As(err, &wrong)
		in.found("extension-parameters", "The server's parameters of permessage-deflate are wrong, and clients end the connection: "+printable(wrong.Reason, 300)+".",
			"Mend the negotiation (RFC 7692 §7.1), or turn compression off.")
		return deflate.Params{}, false
	}
	return p, ok
}
