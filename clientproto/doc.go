// Package clientproto is godwit.v1, the protocol of sessions: commands, replies, pushes and codes.
//
// What a client has to recognise is in tables: problems, the codes with which a
// connection or a stream ends, and the reasons of gaps. The server uses their
// constants, and docs/problems.md, docs/codes.md and clients/js/src/codes.ts are made
// from them by go generate. A number or a name that was ever in a table is not given
// to anything else: testdata/codes.golden remembers them all, and a test compares.
package clientproto

//go:generate go test -count=1 -run "^Test(Generated|ProtocolHasTheKeys)$" . -update
