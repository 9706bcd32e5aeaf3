// Package httpsyntax tells what the bytes of HTTP may be where every parser of it
// asks: in tokens, field values and targets.
package httpsyntax
