package handshake_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func sampleOffer() *handshake.Offer {
	return &handshake.Offer{Host: "server.example.com", RequestURI: "/chat", Key: sampleKey}
}

func TestAppendRequest(t *testing.T) {
	const tail = "Upgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Version: 13\r\n"
	tests := []struct {
		name   string
		change func(*handshake.Offer)
		want   string
	}{
		{"the least", func(*handshake.Offer) {},
			"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n" + tail + "\r\n"},
		{"everything", func(o *handshake.Offer) {
			o.Host, o.RequestURI = "[::1]:8000", "/a%20b/?c=d&e=%23"
			o.Origin = "http://example.com"
			o.Subprotocols = []string{"chat", "superchat"}
			o.Extensions = "permessage-deflate; client_max_window_bits"
			o.Header = handshake.Header{"Cookie": {"a=b"}, "Authorization": {"Bearer x"}}
		},
			"GET /a%20b/?c=d&e=%23 HTTP/1.1\r\nHost: [::1]:8000\r\n" + tail +
				"Sec-WebSocket-Protocol: chat, superchat\r\n" +
				"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
				"Origin: http://example.com\r\n" +
				"Authorization: Bearer x\r\nCookie: a=b\r\n\r\n"},
		{"origin among the caller's fields", func(o *handshake.Offer) {
			o.Header = handshake.Header{"Origin": {"null"}}
		},
			"GET /chat HTTP/1.1\r\nHost: server.example.com\r\n" + tail + "Origin: null\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := sampleOffer()
			tt.change(o)
			got, err := handshake.AppendRequest([]byte("before"), o)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != "before"+tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestAppendRequestRefuses(t *testing.T) {
	tests := []struct {
		field  string
		values []string
		set    func(o *handshake.Offer, v string)
	}{
		{"Host", []string{"", ":80", "a b", "a/b", "a\r\nX: y", "a\x00", "user@a", "a?b", "a#b", "a\\b", "\u00e9", "a,b"},
			func(o *handshake.Offer, v string) { o.Host = v }},
		{"RequestURI", []string{"", "chat", "http://a/", "*", "/a b", "/a\tb", "/a\r\nX: y", "/a\nb", "/\x00", "/a#b", "/\u00e9", "/\x7f", " /"},
			func(o *handshake.Offer, v string) { o.RequestURI = v }},
		{"Origin", []string{"a b", "http://a\r\nX: y", "http://a\x00", "\u00e9"},
			func(o *handshake.Offer, v string) { o.Origin = v }},
		{"Key", []string{"", "x", sampleKey + "\r\nX: y"},
			func(o *handshake.Offer, v string) { o.Key = v }},
		{"Subprotocols", []string{"", "a b", "a,b", "a\r\nX: y", "a\x00", `"a"`, "\u00e9"},
			func(o *handshake.Offer, v string) { o.Subprotocols = []string{"fine", v} }},
		{"Subprotocols", []string{"a"},
			func(o *handshake.Offer, v string) { o.Subprotocols = []string{v, "b", v} }},
		{"Sec-WebSocket-Extensions", []string{" ", ",", ";", "a b", "a\r\nX: y", "a;b=\x00", `a;b="c`},
			func(o *handshake.Offer, v string) { o.Extensions = v }},
		{"Origin", []string{"http://a"}, func(o *handshake.Offer, v string) {
			o.Origin, o.Header = v, handshake.Header{"Origin": {v}}
		}},
	}
	refused := func(t *testing.T, o *handshake.Offer) *handshake.FieldError {
		t.Helper()
		got, err := handshake.AppendRequest([]byte("before"), o)
		var field *handshake.FieldError
		if string(got) != "before" || !errors.As(err, &field) {
			t.Fatalf("%+v: %q, %v", o, got, err)
		}
		if strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
			t.Errorf("the error is not one line: %q", err)
		}
		return field
	}
	for _, tt := range tests {
		for _, v := range tt.values {
			o := sampleOffer()
			tt.set(o, v)
			if err := refused(t, o); err.Field != tt.field {
				t.Errorf("%q: the error blames %s, want %s", v, err.Field, tt.field)
			}
		}
	}
	for _, h := range hostileFields() {
		o := sampleOffer()
		o.Header = h
		refused(t, o)
	}
}
