// Package identity says who makes a request.
//
// A client shows a token, which is a JWT of an issuer that is trusted here; a back
// end shows a key; a client that shows neither is anonymous. New takes the issuers and keys,
// and Identify makes of the head of a request an access.Identity, or says why not:
//
//	ids, err := identity.New(&identity.Options{
//		Issuers: []identity.Issuer{{Source: "tokens[0]", Secret: secret}},
//	})
//	ids.Identify(request, func(id *access.Identity, err error) {
//		// err is an *access.Refusal
//	})
//
// What can be decided in microseconds is decided at once. A signature of a public
// key, or keys that have to be fetched, are somebody else's work: a bounded number
// of goroutines, and the caller is called back. A token that was verified is
// remembered until it ends, so that clients that reconnect all at once cost next to
// nothing.
//
// Which algorithm verifies a token is decided by the key and never by the token,
// and keys come from the options alone: the fields jku, x5u, jwk and x5c of a
// token's header are ignored.
package identity
