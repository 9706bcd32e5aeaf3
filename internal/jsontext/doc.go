// Package jsontext appends JSON to bytes (RFC 8259), for what is encoded once for every client.
package jsontext
