package interop

import (
	"fmt"
	"strings"
	"testing"
)

// TestProxiedProtocols has 10,000 messages both ways go through a proxy, over each
// transport of Socket.IO and of SockJS, with both drivers of WebSockets behind it. The
// configuration of the proxies is that of docs/interoperability.md.
func TestProxiedProtocols(t *testing.T) {
	node := startNodeStage(t)
	for _, kind := range proxies {
		for _, driver := range []string{"engine", "goroutine"} {
			t.Run(kind.name+" "+driver, func(t *testing.T) {
				host := serveProtocols(t, socketioConfig+"\ndriver: "+driver+"\n")
				p := kind.start(t, host, proxyTimeout)
				for i, transports := range socketioTransports {
					t.Run("socket.io "+strings.Join(transports, " then "), func(t *testing.T) {
						conn := fmt.Sprint(kind.name[:1], driver[:1], i)
						a := node.open(t, conn, "socketio", "socket.io-client", "url", "https://"+p.host, "namespace", "/"+conn, "options", map[string]any{"transports": transports, "rejectUnauthorized": false})
						upgraded := false
						a.until(t, "open", func(e seen) bool {
							upgraded = upgraded || e.Event == "upgraded"
							return e.Event == "open"
						})
						numbers(t, host, conn, a, true, func(prefix string) {
							a.do(t, "numbers", "name", "number", "prefix", prefix, "count", numbersCount)
						}, func(e seen) string {
							upgraded = upgraded || e.Event == "upgraded"
							return said(e)
						})
						if len(transports) == 2 && !upgraded {
							a.wants(t, "upgraded")
						}
						a.do(t, "close")
					})
				}
				for _, transport := range []string{"websocket", "xhr-streaming", "xhr-polling"} { // its EventSource takes no certificate of a test
					t.Run("sockjs "+transport, func(t *testing.T) {
						conn := kind.name + "-" + driver + "-" + transport
						a := node.open(t, conn, "sockjs", "sockjs-client", "url", "https://"+p.host+"/sockjs/"+conn, "options", map[string]any{"transports": []string{transport}})
						a.wants(t, "open")
						numbers(t, host, conn, a, true, func(prefix string) {
							a.do(t, "numbers", "prefix", prefix, "count", numbersCount)
						}, heard)
						a.do(t, "close")
					})
				}
			})
		}
	}
}
