//go:build !js

package ws_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// A client must be able to take responses of 1xx before the final one (RFC 9110
// §15.2): proxies send 103 by themselves, some servers 100. Bytes, fields and
// number of all heads together are bounded as those of one are.
func TestInterimResponses(t *testing.T) {
	const early, goOn = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"
	const refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
	for _, v := range []struct {
		name, before, instead string
		status                int    // of the response
		want                  string // in the error, "" for none
	}{
		{"100", goOn, "", 101, ""},
		{"103", early, "", 101, ""},
		{"several", goOn + early + early, "", 101, ""},
		{"an unknown one", "HTTP/1.1 142 What\r\nContent-Length: 5\r\n\r\n", "", 101, ""},
		{"the most", strings.Repeat(early, 10), "", 101, ""},
		{"before a refusal", goOn + early, refused, 403, "answered 403"},
		{"one more", strings.Repeat(early, 11), "", 0, "more than 10 responses of 1xx"},
		{"without end", strings.Repeat(goOn, 1000), "", 0, "more than 10 responses of 1xx"},
		{"alone", goOn, "x", 0, "malformed"},
		{"bytes", strings.Repeat("HTTP/1.1 103 X\r\nX: "+strings.Repeat("x", 30<<10)+"\r\n\r\n", 3), "", 0, "longer than 65536 bytes"},
		{"fields", strings.Repeat("HTTP/1.1 103 X\r\n"+strings.Repeat("X: y\r\n", 100)+"\r\n", 3), "", 0, "more than 256 fields"},
	} {
		conn, response, err := dialScript(ws.DialOptions{}, func(nc *wstest.Wire, head string) {
			if v.instead != "" {
				head = v.instead
			}
			_, _ = io.WriteString(nc, v.before+head+"\r\n")
			if v.status == http.StatusSwitchingProtocols {
				_, _ = nc.Write([]byte("\x81\x02hi"))
			}
			nc.Close()
		})
		switch {
		case v.want == "" && err != nil, v.want != "" && (err == nil || !strings.Contains(err.Error(), v.want)):
			t.Errorf("%s: %v", v.name, err)
		case v.status == 0 && response != nil, v.status != 0 && (response == nil || response.StatusCode != v.status):
			t.Errorf("%s: the response is %+v", v.name, response)
		}
		if conn != nil {
			read(t, conn, ws.MessageText, "hi")
			conn.CloseNow()
		}
		if v.status == http.StatusForbidden {
			if body, err := io.ReadAll(response.Body); string(body) != "no" || err != nil {
				t.Errorf("%s: the body is %q, %v", v.name, body, err)
			}
		}
	}
}

// A proxy may send them before it has connected.
func TestInterimResponsesOfAProxy(t *testing.T) {
	s := serve(t, echo(nil), false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	newRelay(t, l, s.Listener.Addr().String(), func(nc net.Conn) error {
		_, _ = io.WriteString(nc, "HTTP/1.1 102 Processing\r\n\r\n")
		return acceptCONNECT(nc)
	})
	echoes(t, dial(t, s.URL, &ws.DialOptions{Proxy: through(t, "http://"+l.Addr().String())}))
}

// interim sends a response of 1xx first.
type interim struct{ http.Handler }

func (h interim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusProcessing)
	h.Handler.ServeHTTP(w, r)
}

// So does our own kind of server, before it accepts.
func TestAcceptAfterAnInterimResponse(t *testing.T) {
	s := serve(t, interim{echo(nil)}, false)
	echoes(t, dial(t, s.URL, nil))
}
