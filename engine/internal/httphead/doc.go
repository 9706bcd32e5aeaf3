// Package httphead reads the heads of HTTP/1.1 requests from bytes.
//
// Cut finds where a head ends, however it is cut into parts, and Head.Parse reads
// it. Both are strict: what one reader could take for something else than another
// is an error. A request can be right and still ask for more than a simple server
// knows how to do; Head.Doubt says what that is, and a server which serves only
// requests without a Doubt cannot be made to disagree with a proxy before it about
// where a request ends (RFC 9112 §11.2).
package httphead
