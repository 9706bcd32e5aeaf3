// Package jsontext appends JSON to bytes (RFC 8259), for values encoded once for every client.
package jsontext
