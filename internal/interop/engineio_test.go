package interop

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestEngineIOClient: the layer below by itself, with the packets of Socket.IO written
// by hand.
func TestEngineIOClient(t *testing.T) {
	t.Parallel()
	all, origin := stages(t)
	host := serveProtocols(t, socketioConfig, origin)
	for _, s := range all {
		for _, transports := range socketioTransports {
			t.Run(s.name+" "+strings.Join(transports, " then "), func(t *testing.T) {
				conn := s.name[:1] + transports[0][:1] + transports[len(transports)-1][:1]
				channel := "engine/" + conn
				a := s.open(t, conn, "engineio", "engine.io-client", "url", "http://"+host, "options", map[string]any{"path": "/socket.io/", "transports": transports})
				if opened := a.wants(t, "open"); opened.Transport != transports[0] || opened.ID == "" {
					t.Errorf("it is told %v", opened)
				}
				upgraded := false
				skip := func(e seen) bool {
					upgraded = upgraded || e.Event == "upgraded"
					return e.Event == "message"
				}
				a.do(t, "send", "data", "0/"+channel+",")
				joined := a.until(t, "the answer of CONNECT", skip)
				if text := heard(joined); !strings.HasPrefix(text, "0/"+channel+`,{"sid":"`) {
					t.Fatalf("it joins with %v", joined)
				}
				numbers(t, host, channel, a, true, func(prefix string) {
					a.do(t, "numbers", "prefix", "2/"+channel+`,["n","`+prefix+`#"]`, "count", numbersCount)
				}, func(e seen) string {
					if !skip(e) {
						return ""
					}
					var event []string
					if text, ok := strings.CutPrefix(heard(e), "2/"+channel+","); ok && json.Unmarshal([]byte(text), &event) == nil && len(event) == 2 {
						return event[1]
					}
					return e.String()
				})
				if len(transports) == 2 && !upgraded {
					a.wants(t, "upgraded")
				}
				a.do(t, "close")
				if e := a.untilEvent(t, "closed"); e.Text != "forced close" {
					t.Errorf("closed with %v", e)
				}
			})
		}
	}
}
