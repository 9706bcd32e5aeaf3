package feed

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// FuzzReceive: whatever an upstream sends, a Machine does not panic, it publishes only what a hub takes, it remembers no more
// than it may, and what it publishes in a channel begins with a gap after each connection, and after each loss that it knows of.
func FuzzReceive(f *testing.F) {
	f.Add("c\n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0xaa\"}\n{\"params\":{\"subscription\":\"0xaa\",\"result\":1}}\nd\nc\n{\"id\":1,\"result\":2}\n{\"params\":{\"subscription\":2,\"result\":1}}")
	f.Add("c\n{\"s\":\"a\"}\nx\n{\"s\":\"a\"}\nl\n{\"s\":\"b\"}\nt\n{\"s\":\"c\"}\nd\nt\nc\n{\"s\":\"a\"}")
	f.Add("c\n{\"id\":1,\"error\":{}}\nt\n{\"id\":1,\"error\":1}\nt\nt\n{\"type\":\"error\"}")
	f.Fuzz(func(t *testing.T, script string) {
		spec := specOf(t, `{"ChannelsMax":3,"Failures":["/type = error"],"Ping":"{}","Subscriptions":[`+
			`{"Send":"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}","Channel":"rpc","Data":"/params/result","ID":"{/params/result}"},`+
			`{"Channel":"s/{+/s}","Match":["/s"],"Event":"{/e}","Key":"{/k}"}]}`)
		m := New(spec, begin)
		now := begin
		isBegun := make(map[string]bool) // channels that have been told what may be missing
		loses := false
		isConnected := false
		act := func() {
			var given []Action
			for _, a := range m.Actions() {
				if a.Publish == nil {
					continue
				}
				given = append(given, a)
				p := a.Publish
				if err := hub.CheckChannel(p.Channel); err != nil {
					t.Fatal(err)
				}
				if p.Channel != "rpc" && !strings.HasPrefix(p.Channel, "s/") {
					t.Fatalf("%q is nobody's", p.Channel)
				}
				isNotice := p.Attributes != nil && (p.Attributes.Event == EventGap || p.Attributes.Event == EventAway) && strings.Contains(string(p.Data), `"bridge":"eth"`)
				switch {
				case isNotice && p.Attributes.Event == EventGap:
					isBegun[p.Channel] = true
				case isNotice:
					delete(isBegun, p.Channel)
				case !isBegun[p.Channel]:
					t.Fatalf("%s goes on with %s in silence", p.Channel, p.Data)
				}
			}
			for _, a := range given {
				if loses {
					delete(isBegun, a.Publish.Channel)
					m.Published(now, a.Ticket, false, errors.New("lost"))
				} else {
					m.Published(now, a.Ticket, false, nil)
				}
			}
			if s := m.Status(now); s.Channels > 3 || s.Unanswered != 0 {
				t.Fatalf("%+v", s)
			}
		}
		for line := range strings.Lines(script) {
			switch line = strings.TrimSuffix(line, "\n"); {
			case line == "c" && !isConnected:
				isConnected = true
				clear(isBegun)
				m.Connected(now)
			case line == "d" && isConnected:
				isConnected = false
				m.Disconnected(now, "")
			case line == "x":
				loses = !loses
			case line == "l" && isConnected:
				m.Missed(now)
				clear(isBegun)
			case line == "t":
				now = now.Add(time.Minute)
				m.Tick(now)
				if d := m.Deadline(); !d.IsZero() && !d.After(now) {
					t.Fatalf("at %v it wants to be called at %v", now, d)
				}
			case isConnected:
				m.Receive(now, true, []byte(line))
			}
			act()
		}
	})
}
