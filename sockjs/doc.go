// Package sockjs speaks SockJS: it serves the unmodified sockjs-client, over WebSocket
// or over HTTP where there is none.
package sockjs
