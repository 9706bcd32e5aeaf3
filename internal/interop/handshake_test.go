package interop

import (
	"fmt"
	"net/http"
	"testing"
)

func testSubprotocols(t *testing.T, p *peer, r role) {
	for _, c := range []struct {
		client, server []string
		want           string
	}{
		{nil, nil, ""},
		{nil, []string{"a"}, ""},
		{[]string{"a"}, []string{"a"}, "a"},
		{[]string{"a", "b"}, []string{"b"}, "b"},
		{[]string{"b", "c"}, []string{"a", "b"}, "b"},
		{[]string{"chat.v2", "x!#$%&'*+-.^_`|~"}, []string{"x!#$%&'*+-.^_`|~"}, "x!#$%&'*+-.^_`|~"},
		{[]string{"a"}, []string{"A", "b"}, ""}, // they are compared exactly
		{[]string{"a"}, nil, ""},
	} {
		t.Run(fmt.Sprintf("%q for %q", c.client, c.server), func(t *testing.T) {
			o := setting{protocol: c.server, peer: options{Protocols: c.client}}
			if r == asClient {
				o = setting{protocol: c.client, peer: options{Protocols: c.server}}
			}
			n, f, err := tryConnect(t, p, r, o)
			if r == asServer && p.traits.wantsProtocol && len(c.client) > 0 && c.want == "" {
				if err == nil {
					t.Error("the peer accepted that nothing was chosen")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n.Subprotocol() != c.want || f.opened.Protocol != c.want {
				t.Errorf("godwit has %q and the peer %q, want %q", n.Subprotocol(), f.opened.Protocol, c.want)
			}
		})
	}
}

func testHeaders(t *testing.T, p *peer, r role) {
	o := setting{}
	if r == asServer {
		o.peer.Header = map[string]string{"Cookie": "id=42; theme=dark", "X-Godwit": "from the client", "Authorization": "Bearer secret"}
		o.header = http.Header{"Set-Cookie": {"session=1; Path=/; HttpOnly"}, "X-Godwit": {"from the server"}}
	} else {
		o.header = http.Header{"Cookie": {"id=42; theme=dark"}, "X-Godwit": {"from the client"}, "Authorization": {"Bearer secret"}}
		o.peer.Header = map[string]string{"Set-Cookie": "session=1; Path=/; HttpOnly", "X-Godwit": "from the server"}
	}
	n, f := connect(t, p, r, o)
	var request, response func(name string) string
	if r == asServer {
		request, response = n.request.Header.Get, func(name string) string { return f.opened.Header[name] }
	} else {
		request, response = func(name string) string { return f.opened.Header[name] }, n.response.Header.Get
	}
	for name, want := range map[string]string{"cookie": "id=42; theme=dark", "x-godwit": "from the client", "authorization": "Bearer secret"} {
		if got := request(name); got != want {
			t.Errorf("the server got %s: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"set-cookie": "session=1; Path=/; HttpOnly", "x-godwit": "from the server"} {
		if got := response(name); got != want {
			t.Errorf("the client got %s: %q, want %q", name, got, want)
		}
	}
}
