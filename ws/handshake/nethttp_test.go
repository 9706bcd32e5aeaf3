package handshake_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

// serve answers as a handler on net/http would, and echoes one line after a 101.
func serve(t *testing.T, policy *handshake.Policy) (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted, fault := handshake.Check(&handshake.Request{
			Method: r.Method, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Host: r.Host,
			Secure: r.TLS != nil, Content: r.ContentLength != 0, Header: r.Header,
		}, policy)
		if fault != nil {
			for name, values := range fault.Header {
				w.Header()[name] = values
			}
			http.Error(w, fault.Reason, fault.Status)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		head, err := handshake.AppendResponse(nil, &accepted, "", handshake.Header{"X-Served": {"yes"}})
		if err != nil {
			t.Error(err)
			return
		}
		line, err := rw.ReadString('\n')
		if err != nil {
			t.Error(err)
			return
		}
		conn.Write(append(head, line...))
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Both halves over a real connection, with net/http reading each head; what the
// client sends right behind its request arrives.
func TestOverNetHTTP(t *testing.T) {
	address := serve(t, &handshake.Policy{Subprotocols: []string{"b"}})
	offer := &handshake.Offer{
		Host: address, RequestURI: "/x?y=z", Key: handshake.NewKey([16]byte{1, 2, 3}), Origin: "http://" + address,
		Subprotocols: []string{"a", "b"}, Extensions: "permessage-deflate; client_max_window_bits",
		Header: handshake.Header{"Cookie": {"c=d"}},
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head, err := handshake.AppendRequest(nil, offer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(head, "early bytes\n"...)); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	result, err := handshake.CheckResponse(res.StatusCode, res.ProtoMajor, res.ProtoMinor, res.Header, offer)
	if err != nil || result.Subprotocol != "b" || result.Extensions != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := res.Header.Get("X-Served"); got != "yes" {
		t.Errorf("the extra field is %q", got)
	}
	if line, err := br.ReadString('\n'); line != "early bytes\n" {
		t.Errorf("echoed %q, %v", line, err)
	}
}

// A rejected upgrade closes the connection: what follows it is frames, or an
// attempt to smuggle a request, and must not be answered.
func TestFaultClosesOverNetHTTP(t *testing.T) {
	address := serve(t, nil)
	const upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
	const valid = upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n"
	tests := []struct {
		name   string
		head   string
		status int
	}{
		{"not an upgrade", "GET / HTTP/1.1\r\nHost: x\r\n", 426},
		{"version", upgrade + "Sec-WebSocket-Version: 8\r\n", 426},
		{"key", upgrade + "Sec-WebSocket-Version: 13\r\n", 400},
		{"method", strings.Replace(valid, "GET", "PUT", 1), 405},
		{"content length", valid + "Content-Length: 3\r\n", 400},
		{"chunked", valid + "Transfer-Encoding: chunked\r\n", 400},
		{"HTTP/1.0", strings.Replace(valid, "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"origin", valid + "Origin: http://evil.example\r\n", 403},
		{"limit", valid + "Sec-WebSocket-Extensions: " + numbered(handshake.ExtensionsMax+1, ",") + "\r\n", 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
			if _, err := io.WriteString(conn, tt.head+"\r\n"+smuggled); err != nil {
				t.Fatal(err)
			}
			var raw bytes.Buffer // net/http hides the Connection field of a response
			br := bufio.NewReader(io.TeeReader(conn, &raw))
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || !res.Close {
				t.Errorf("status %d, close %v, want %d and closed", res.StatusCode, res.Close, tt.status)
			}
			if res.StatusCode == 426 && (res.Header.Get("Upgrade") != "websocket" || res.Header.Get("Sec-WebSocket-Version") != "13" ||
				!strings.Contains(raw.String(), "\r\nConnection: Upgrade\r\n")) {
				t.Errorf("426 as %s", &raw)
			}
			if body, err := io.ReadAll(res.Body); err != nil || len(body) < 20 {
				t.Errorf("body %q, %v", body, err)
			}
			// A reset is as good an end as any, if only nothing more was said.
			if rest, err := io.ReadAll(br); len(rest) > 0 || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("after the refusal: %q, %v", rest, err)
			}
		})
	}
}
