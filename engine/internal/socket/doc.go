// Package socket is the system calls of a loop on a descriptor, none of which waits.
package socket
