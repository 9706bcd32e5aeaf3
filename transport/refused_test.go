package transport

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// A handshake that is refused ends as documented whenever the Guard decides: for a page
// with a WebSocket that is opened and closed with a code, unless that is switched off, and
// for others with a status. Nothing stays open, and what the client has sent
// meanwhile goes nowhere.
func TestRefusedHandshakesEnd(t *testing.T) {
	for _, c := range carriers {
		if c.isVirtual || c.name == "HTTP2" {
			continue
		}
		for _, late := range []bool{false, true} {
			for _, byStatus := range []bool{false, true} {
				t.Run(fmt.Sprint(c.name, " late=", late, " status=", byStatus), func(t *testing.T) { refuseHandshakes(t, c, late, byStatus) })
			}
		}
	}
}

func refuseHandshakes(t *testing.T, c carrier, late, byStatus bool) {
	guard := &testGuard{late: late}
	h := newHub(t, nil, nil)
	v := c.serve(t, h, Options{Logger: quiet(), Guard: guard, RefuseByStatus: byStatus})
	defer v.close()
	defer func() { _ = h.Shutdown(t.Context()) }()
	for _, isPage := range []bool{false, true} {
		for user, status := range map[string]int{"ann": 403, "": 401} {
			host := strings.TrimPrefix(v.url, "http://")
			request := "GET /channels/mine HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
				"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nGrants: publish mine\r\n"
			if user != "" {
				request += "User: " + user + "\r\n"
			}
			if isPage {
				request += "Origin: " + v.url + "\r\n"
			}
			conn := rawOn(t, v)
			_ = conn.SetDeadline(time.Now().Add(patience))
			// It does not wait for the answer to publish, and answers the close frame.
			if _, err := io.WriteString(conn, request+"\r\n\x81\x82\x00\x00\x00\x00hi\x88\x82\x00\x00\x00\x00\x03\xe8"); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			response, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !isPage || byStatus {
				if response.StatusCode != status {
					t.Errorf("page %v, user %q: %s", isPage, user, response.Status)
				}
				content, err := io.ReadAll(response.Body)
				if err != nil || !strings.Contains(string(content), "this needs the grant subscribe") {
					t.Errorf("it is told %s, %v", content, err)
				}
				if rest, _ := io.ReadAll(in); len(rest) > 0 {
					t.Errorf("behind the refusal comes %q", rest)
				}
				continue
			}
			if response.StatusCode != 101 {
				t.Fatalf("a page got %s", response.Status)
			}
			rest, _ := io.ReadAll(in) // an error says that something was not read
			if len(rest) < 4 || rest[0] != 0x88 || int(rest[2])<<8+int(rest[3]) != 4000+status || !strings.HasPrefix(string(rest[4:]), "this needs the grant subscribe") {
				t.Errorf("the WebSocket of a page ends with %q", rest)
			}
		}
	}
	guard.expectNobody(t)
	if page, err := h.History(t.Context(), "mine", hub.Query{}); err != nil || len(page.Publications) > 0 {
		t.Errorf("%d publications, %v", len(page.Publications), err)
	}
}
