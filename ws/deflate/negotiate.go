package deflate

import (
	"slices"

	"github.com/godwit-io/godwit/ws/handshake"
)

// Accept is the server's side of the negotiation (RFC 7692 §5, §7.1): it
// accepts the first of the alternatives that it can honour. offers is all that
// the client offered, in its order; other extensions are passed over. A nil o
// means the defaults.
//
// It returns what was agreed and the element to answer with. ok is false when
// no alternative is acceptable: each has a parameter that is unknown, repeated
// or malformed. The server then answers without the extension, and messages
// are not compressed.
func Accept(offers []handshake.Extension, o *Options) (p Params, response handshake.Extension, ok bool) {
	own := o.withDefaults()
	for _, e := range offers {
		if e.Name != Name {
			continue
		}
		if offer, reason := parseFields(e, true); reason == "" {
			p, response = own.accept(offer)
			return p, response, true
		}
	}
	return Params{}, handshake.Extension{}, false
}

// accept answers an offer. All of them can be honoured: a window of 2^8 bytes,
// which zlib cannot compress with, is a window like any other here.
func (o *Options) accept(offer fields) (Params, handshake.Extension) {
	var answer fields

	// §7.1.1: an offered parameter must be confirmed, or, of the client, is known
	// best when it is; one that is not offered may be demanded all the same.
	answer.serverNoTakeover = offer.serverNoTakeover || o.ServerNoContextTakeover
	answer.clientNoTakeover = offer.clientNoTakeover || o.ClientNoContextTakeover

	// §7.1.2.1: the same as offered, or less; the server may limit itself
	// without being asked.
	serverBits := o.ServerMaxWindowBits
	if offer.serverBits > 0 {
		serverBits = min(serverBits, offer.serverBits)
	}
	if offer.serverBits > 0 || serverBits < WindowBitsMax {
		answer.serverBits = serverBits
	}

	// §7.1.2.2: only if it was offered. A value in the offer is what the client
	// will not exceed, and answering it lets both sides rely on it.
	clientBits := WindowBitsMax
	if offer.clientBitsOpen || offer.clientBits > 0 {
		clientBits = o.ClientMaxWindowBits
		if offer.clientBits > 0 {
			clientBits = min(clientBits, offer.clientBits)
		}
		if clientBits < WindowBitsMax {
			answer.clientBits = clientBits
		}
	}

	return Params{
		ServerNoContextTakeover: answer.serverNoTakeover,
		ClientNoContextTakeover: answer.clientNoTakeover,
		ServerMaxWindowBits:     serverBits,
		ClientMaxWindowBits:     clientBits,
	}, answer.extension()
}

// Offer is the client's side: the element to send. It always offers to limit
// the client's own window, so that a server may ask for it. A nil o means the
// defaults.
func Offer(o *Options) handshake.Extension {
	own := o.withDefaults()
	f := fields{
		serverNoTakeover: own.ServerNoContextTakeover,
		clientNoTakeover: own.ClientNoContextTakeover,
	}
	if own.ServerMaxWindowBits < WindowBitsMax {
		f.serverBits = own.ServerMaxWindowBits
	}
	if own.ClientMaxWindowBits < WindowBitsMax {
		f.clientBits = own.ClientMaxWindowBits
	} else {
		f.clientBitsOpen = true
	}
	return f.extension()
}

// ResponseError says why a server's answer to an offer must fail the handshake
// (RFC 7692 §7.1).
type ResponseError struct {
	Reason string // what was wrong and what would be right; ASCII
}

func (e *ResponseError) Error() string { return "deflate: " + e.Reason }

// CheckResponse applies the rules of RFC 7692 §7.1 to what a server accepted.
// offered is the element that was sent, the zero Extension if none was; other
// extensions in accepted are passed over. ok is false when the server accepted
// no compression. The error is a *ResponseError, and the handshake must fail.
func CheckResponse(accepted []handshake.Extension, offered handshake.Extension) (p Params, ok bool, err error) {
	isName := func(e handshake.Extension) bool { return e.Name == Name }
	i := slices.IndexFunc(accepted, isName)
	if i < 0 {
		return Params{}, false, nil
	}
	fail := func(reason string) (Params, bool, error) {
		return Params{}, false, &ResponseError{"the server's " + Name + ": " + reason}
	}
	if slices.ContainsFunc(accepted[i+1:], isName) {
		return fail("it must be accepted once only")
	}
	if !isName(offered) {
		return fail("it was not offered")
	}
	offer, reason := parseFields(offered, true)
	if reason != "" {
		return fail("the offer was malformed: " + reason)
	}
	answer, reason := parseFields(accepted[i], false)
	switch {
	case reason != "":
		return fail(reason)
	case offer.serverNoTakeover && !answer.serverNoTakeover: // §7.1.1.1
		return fail(serverNoContextTakeover + " was offered and must be confirmed")
	case offer.serverBits > 0 && answer.serverBits == 0: // §7.1.2.1
		return fail(serverMaxWindowBits + " was offered and must be confirmed")
	case offer.serverBits > 0 && answer.serverBits > offer.serverBits:
		return fail(serverMaxWindowBits + " must not be more than was offered")
	case answer.clientBits > 0 && offer.clientBits == 0 && !offer.clientBitsOpen: // §7.1.2.2
		return fail(clientMaxWindowBits + " was not offered")
	case offer.clientBits > 0 && answer.clientBits > offer.clientBits:
		return fail(clientMaxWindowBits + " must not be more than was offered")
	}

	p = Params{
		ServerNoContextTakeover: answer.serverNoTakeover,
		// §7.1.1.2, §7.1.2.2: what the client announced of itself holds even if
		// the server did not confirm it.
		ClientNoContextTakeover: answer.clientNoTakeover || offer.clientNoTakeover,
		ServerMaxWindowBits:     windowBits(answer.serverBits),
		ClientMaxWindowBits:     windowBits(answer.clientBits),
	}
	if answer.clientBits == 0 && offer.clientBits > 0 {
		p.ClientMaxWindowBits = offer.clientBits
	}
	return p, true, nil
}
