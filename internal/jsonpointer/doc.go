// Package jsonpointer finds a value in a JSON text by a JSON pointer (RFC 6901) without decoding the rest of it.
package jsonpointer
