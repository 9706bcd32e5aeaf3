// Package frames is what SockJS 0.3.3 puts on the wire: frames to the client in the form
// of each transport, messages of the client, and the two pages.
package frames
