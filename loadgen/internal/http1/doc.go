// Package http1 takes HTTP/1.1 responses apart, from bytes as they arrive.
//
// It is for a program that has thousands of connections: a Reader is small, copies
// nothing that comes in one piece, and allocates nothing for a response. How the
// bytes are cut makes no difference. It performs no I/O.
package http1
