package handshake_test

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func sampleResponse() handshake.Header {
	return handshake.Header{
		"Upgrade":              {"websocket"},
		"Connection":           {"Upgrade"},
		"Sec-Websocket-Accept": {sampleAccept},
	}
}

func TestCheckResponse(t *testing.T) {
	offer := sampleOffer()
	offer.Subprotocols = []string{"chat", "superchat"}
	offer.Extensions = "permessage-deflate; client_max_window_bits, x"
	tests := []struct {
		name   string
		fields handshake.Header // replace those of sampleResponse
		want   handshake.Result
	}{
		{"the least", nil, handshake.Result{}},
		{"another case", handshake.Header{"Upgrade": {"WebSocket"}, "Connection": {"upgrade"}}, handshake.Result{}},
		{"connection has more", handshake.Header{"Connection": {"keep-alive", "x, UPGRADE"}}, handshake.Result{}},
		{"subprotocol", handshake.Header{"Sec-Websocket-Protocol": {"superchat"}}, handshake.Result{Subprotocol: "superchat"}},
		{"extension", handshake.Header{"Sec-Websocket-Extensions": {"x", "permessage-deflate; client_max_window_bits=10"}},
			handshake.Result{Extensions: []handshake.Extension{ext("x"), ext("permessage-deflate", value("client_max_window_bits", "10"))}}},
		{"an empty extension field", handshake.Header{"Sec-Websocket-Extensions": {""}}, handshake.Result{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sampleResponse()
			maps.Copy(h, tt.fields)
			got, err := handshake.CheckResponse(101, 1, 1, h, offer)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestCheckResponseRefuses(t *testing.T) {
	hostile := strings.Repeat("\r\nX: y\x00\x1b\xff", 5000)
	tests := []struct {
		name   string
		fields handshake.Header // replace those of sampleResponse; nil values remove
		reason string
	}{
		{"no Upgrade", handshake.Header{"Upgrade": nil}, "Upgrade: websocket, not nothing"},
		{"Upgrade to h2c", handshake.Header{"Upgrade": {"h2c"}}, `not "h2c"`},
		{"Upgrade to more", handshake.Header{"Upgrade": {"websocket, h2c"}}, "Upgrade: websocket"},
		{"Upgrade twice", handshake.Header{"Upgrade": {"websocket", "websocket"}}, "Upgrade: websocket"},
		{"Upgrade malformed", handshake.Header{"Upgrade": {"websocket/13"}}, "Upgrade: websocket"},
		{"Upgrade folded beyond ASCII", handshake.Header{"Upgrade": {"websoc\u212aet"}}, `\u212a`},
		{"no Connection", handshake.Header{"Connection": nil}, "Connection: Upgrade, not nothing"},
		{"Connection close", handshake.Header{"Connection": {"close"}}, `not "close"`},

		{"no Accept", handshake.Header{"Sec-Websocket-Accept": nil}, sampleAccept},
		{"Accept empty", handshake.Header{"Sec-Websocket-Accept": {""}}, sampleAccept},
		{"Accept of another key", handshake.Header{"Sec-Websocket-Accept": {handshake.AcceptKey("x")}}, sampleAccept},
		{"Accept in another case", handshake.Header{"Sec-Websocket-Accept": {strings.ToLower(sampleAccept)}}, sampleAccept},
		{"Accept echoes the key", handshake.Header{"Sec-Websocket-Accept": {sampleKey}}, sampleAccept},
		{"Accept twice", handshake.Header{"Sec-Websocket-Accept": {sampleAccept, sampleAccept}}, sampleAccept},
		{"Accept with more", handshake.Header{"Sec-Websocket-Accept": {sampleAccept + "x"}}, sampleAccept},

		{"extension not offered", handshake.Header{"Sec-Websocket-Extensions": {"x, y"}}, `"y", which was not offered`},
		{"extension in another case", handshake.Header{"Sec-Websocket-Extensions": {"X"}}, `"X", which was not offered`},
		{"extension malformed", handshake.Header{"Sec-Websocket-Extensions": {"x;"}}, "parameter is expected"},
		{"too many extensions", handshake.Header{"Sec-Websocket-Extensions": {strings.Repeat("x,", handshake.ExtensionsMax+1)}}, "at most 16"},

		{"subprotocol not offered", handshake.Header{"Sec-Websocket-Protocol": {"other"}}, `"chat", "superchat", not "other"`},
		{"subprotocol empty", handshake.Header{"Sec-Websocket-Protocol": {""}}, `not ""`},
		{"subprotocol in another case", handshake.Header{"Sec-Websocket-Protocol": {"CHAT"}}, `"CHAT"`},
		{"two subprotocols", handshake.Header{"Sec-Websocket-Protocol": {"chat, superchat"}}, `"chat, superchat"`},
		{"subprotocol twice", handshake.Header{"Sec-Websocket-Protocol": {"chat", "chat"}}, `not "chat", "chat"`},

		{"hostile Upgrade", handshake.Header{"Upgrade": {hostile, hostile, hostile, hostile, hostile, hostile}}, "..."},
		{"hostile Accept", handshake.Header{"Sec-Websocket-Accept": {hostile}}, "..."},
		{"hostile extension", handshake.Header{"Sec-Websocket-Extensions": {hostile}}, "..."},
		{"hostile subprotocol", handshake.Header{"Sec-Websocket-Protocol": {hostile}}, "..."},
	}
	offer := sampleOffer()
	offer.Subprotocols = []string{"chat", "superchat"}
	offer.Extensions = "x"
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := sampleResponse()
			maps.Copy(h, tt.fields)
			refusedResponse(t, 101, h, offer, tt.reason)
		})
	}

	t.Run("nothing offered", func(t *testing.T) {
		h := sampleResponse()
		h["Sec-Websocket-Protocol"] = []string{"chat"}
		refusedResponse(t, 101, h, sampleOffer(), `offered, nothing, not "chat"`)
		h = sampleResponse()
		h["Sec-Websocket-Extensions"] = []string{"permessage-deflate"}
		refusedResponse(t, 101, h, sampleOffer(), "not offered")
	})
	t.Run("an offer that could not be sent", func(t *testing.T) {
		h := sampleResponse()
		h["Sec-Websocket-Extensions"] = []string{"x"}
		o := sampleOffer()
		o.Extensions = "x;"
		refusedResponse(t, 101, h, o, "the offer's Extensions")
	})
	for _, version := range [][2]int{{1, 0}, {0, 9}, {2, 0}} {
		if _, err := handshake.CheckResponse(101, version[0], version[1], sampleResponse(), sampleOffer()); err == nil {
			t.Errorf("a 101 over HTTP/%d.%d passes", version[0], version[1])
		}
	}
}

func refusedResponse(t *testing.T, status int, h handshake.Header, o *handshake.Offer, reason string) {
	t.Helper()
	got, err := handshake.CheckResponse(status, 1, 1, h, o)
	checkRefusal(t, got, err, status, reason)
}

// checkRefusal wants what CheckResponse returned to be a refusal that says reason.
func checkRefusal(t *testing.T, got handshake.Result, err error, status int, reason string) {
	t.Helper()
	var response *handshake.ResponseError
	if !errors.As(err, &response) || !reflect.DeepEqual(got, handshake.Result{}) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if response.Status != status || !strings.Contains(response.Reason, reason) {
		t.Errorf("%d, %v, which does not say %q", response.Status, err, reason)
	}
	if strings.ContainsAny(err.Error(), "\r\n\x00\x1b\xff") || len(err.Error()) > 2000 {
		t.Errorf("the error is not one short line: %q", err)
	}
}

func TestCheckResponseStatus(t *testing.T) {
	tests := []struct {
		status int
		header handshake.Header
		reason string
	}{
		{200, nil, "does not speak WebSocket at this URL"},
		{204, nil, "does not speak WebSocket at this URL"},
		{200, sampleResponse(), "does not speak WebSocket at this URL"}, // the fields alone do not open one
		{302, handshake.Header{"Location": {"https://elsewhere.example/"}}, `redirects to "https://elsewhere.example/"`},
		{304, nil, "304 instead of 101"},
		{401, nil, "credentials"},
		{403, nil, "Origin"},
		{404, nil, "404 instead of 101"},
		{426, handshake.Header{"Sec-Websocket-Version": {"8, 7"}}, `other versions of WebSocket, "8, 7"`},
		{426, handshake.Header{"Sec-Websocket-Version": {"13"}}, "426 instead of 101"},
		{500, nil, "500 instead of 101"},
		{100, nil, "100 instead of 101"},
		{0, nil, "0 instead of 101"},
	}
	for _, tt := range tests {
		refusedResponse(t, tt.status, tt.header, sampleOffer(), tt.reason)
	}
}
