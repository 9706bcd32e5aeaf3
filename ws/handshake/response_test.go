package handshake_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func TestAppendResponse(t *testing.T) {
	a := &handshake.Accepted{
		Key:         sampleKey,
		Subprotocol: "chat",
		Offered:     []string{"superchat", "chat"},
		Extensions:  []handshake.Extension{ext("permessage-deflate"), ext("x")},
	}
	const head = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + sampleAccept + "\r\n"
	tests := []struct {
		name      string
		accepted  *handshake.Accepted
		extension string
		extra     handshake.Header
		want      string
	}{
		{"the least", &handshake.Accepted{Key: sampleKey}, "", nil, head + "\r\n"},
		{"subprotocol", a, "", nil, head + "Sec-WebSocket-Protocol: chat\r\n\r\n"},
		{"extension", a, "permessage-deflate; server_max_window_bits=10", nil,
			head + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n\r\n"},
		{"extra fields by name", &handshake.Accepted{Key: sampleKey}, "",
			handshake.Header{"X-B": {""}, "Set-Cookie": {"a=b; Path=/", "c=\u00e9\td"}, "A": nil},
			head + "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=\u00e9\td\r\nX-B: \r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := handshake.AppendResponse([]byte("before"), tt.accepted, tt.extension, tt.extra)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != "before"+tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// hostileFields are fields a caller must not be able to add to either head.
func hostileFields() []handshake.Header {
	list := []handshake.Header{
		{"": {"x"}}, {"A B": {"x"}}, {"A:": {"x"}}, {"A\r\nB": {"x"}}, {"\u00e9": {"x"}},
	}
	for _, v := range []string{"a\r\nX: y", "a\nX: y", "a\rX: y", "a\x00", "a\x1b[31m", "\x7f"} {
		list = append(list, handshake.Header{"X-A": {v}}, handshake.Header{"Cookie": {"fine", v}})
	}
	for _, name := range []string{"Upgrade", "upgrade", "Connection", "CONNECTION", "Host", "Content-Length", "Transfer-Encoding",
		"Sec-WebSocket-Accept", "Sec-Websocket-Key", "Sec-Websocket-Version", "sec-websocket-protocol", "Sec-WebSocket-Extensions",
		"Sec-WebSocket-Anything"} {
		list = append(list, handshake.Header{name: {"x"}}, handshake.Header{name: nil})
	}
	return list
}

func TestAppendResponseRefuses(t *testing.T) {
	good := func() *handshake.Accepted {
		return &handshake.Accepted{Key: sampleKey, Offered: []string{"chat"}, Extensions: []handshake.Extension{ext("d")}}
	}
	refused := func(t *testing.T, a *handshake.Accepted, extension string, extra handshake.Header) {
		t.Helper()
		got, err := handshake.AppendResponse([]byte("before"), a, extension, extra)
		var field *handshake.FieldError
		if string(got) != "before" || !errors.As(err, &field) {
			t.Fatalf("%+v, %q, %q: %q, %v", a, extension, extra, got, err)
		}
		if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
			t.Errorf("the error is not one line: %q", err)
		}
	}
	for _, key := range []string{"", "x", sampleKey + "\r\nX: y", sampleKey[:22]} {
		a := good()
		a.Key = key
		refused(t, a, "", nil)
	}
	for _, s := range []string{"other", "CHAT", "chat\r\nX: y", "chat, other"} {
		a := good()
		a.Subprotocol = s
		refused(t, a, "", nil)
	}
	a := good()
	a.Offered, a.Subprotocol = []string{"a\r\nX: y"}, "a\r\nX: y" // forged on both sides
	refused(t, a, "", nil)
	for _, e := range []string{"other", "d, other", "D", "d\r\nX: y", "d; a=\"1\r\nX: y\"", "d;", ",", " ", "d; a=\x00"} {
		refused(t, good(), e, nil)
	}
	for _, h := range hostileFields() {
		refused(t, good(), "d", h)
	}
}
