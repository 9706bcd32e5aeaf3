// Package access decides what each identity may do in which channel.
//
// Grants are patterns of channels for each Action. An Identity has grants: it is the
// holder of a token or of a key, or any client. Decide puts the two
// together, and the Decision can say which rule applied and why:
//
//	ann := &access.Identity{Kind: access.Token, User: "ann", Grants: grants}
//	d := access.Decide(ann, nil, access.Subscribe, "inbox/ann")
//	d.Allowed // true
//	d.String() // "allowed: the token of user "ann" grants subscribe on inbox/{user}"
//
// The package is pure: it performs no I/O, reads no clock and takes no lock. What
// a token is, and how it is checked, is decided elsewhere.
package access
