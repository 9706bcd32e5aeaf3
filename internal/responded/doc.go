// Package responded tells whether a handler has begun its response, which net/http
// knows and keeps to itself.
package responded
