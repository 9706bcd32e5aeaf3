package handshake_test

import (
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

// What a server holds and does for each handshake. Two allocations are the list
// of extensions and that of their parameters; offered subprotocols are a third.
func TestAllocations(t *testing.T) {
	plain := chromeRequest()
	delete(plain.Header, "Sec-Websocket-Extensions")
	full := chromeRequest()
	full.Header["Sec-Websocket-Protocol"] = []string{"godwit.v1, json"}
	full.Header["Sec-Websocket-Extensions"] = []string{"permessage-deflate; client_max_window_bits; server_max_window_bits=12, permessage-deflate; client_max_window_bits"}
	policy := &handshake.Policy{Origins: mustOrigins(t, "https://*.example.org"), Subprotocols: []string{"json"}}

	accepted, fault := handshake.Check(full, policy)
	if fault != nil {
		t.Fatal(fault)
	}
	dst := make([]byte, 0, 512)
	origins := mustOrigins(t, "https://*.example.org:*", "http://[::1]:3000")
	tests := []struct {
		name string
		max  float64
		do   func()
	}{
		{"Check without extensions", 0, func() { handshake.Check(plain, policy) }},
		{"Check of Chrome", 2, func() { handshake.Check(chromeUpgrade, policy) }},
		{"Check with subprotocols", 3, func() { handshake.Check(full, policy) }},
		{"AppendResponse", 0, func() { handshake.AppendResponse(dst, &accepted, "permessage-deflate; server_max_window_bits=12", nil) }},
		{"AppendAcceptKey", 0, func() { handshake.AppendAcceptKey(dst, sampleKey) }},
		{"AppendRequest", 0, func() { handshake.AppendRequest(dst, benchmarkOffer) }},
		{"Allow", 0, func() { origins.Allow("https://a.b.example.org:8443", "[2001:db8::1]:8000", true) }},
		{"IsUpgrade", 0, func() { handshake.IsUpgrade(full.Header) }},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(100, tt.do); got > tt.max {
			t.Errorf("%s: %v allocations, the budget is %v", tt.name, got, tt.max)
		}
	}
}

var (
	chromeUpgrade  = chromeRequest()
	benchmarkOffer = &handshake.Offer{Host: "server.example.com", RequestURI: "/chat", Key: sampleKey, Origin: "https://server.example.com",
		Subprotocols: []string{"godwit.v1", "json"}, Extensions: "permessage-deflate; client_max_window_bits"}
)

func BenchmarkCheck(b *testing.B) {
	r := chromeRequest()
	b.ReportAllocs()
	for b.Loop() {
		if _, f := handshake.Check(r, nil); f != nil {
			b.Fatal(f)
		}
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	a, _ := handshake.Check(chromeRequest(), nil)
	dst := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handshake.AppendResponse(dst, &a, "permessage-deflate", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handshake.AppendRequest(dst, benchmarkOffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckResponse(b *testing.B) {
	h := sampleResponse()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := handshake.CheckResponse(101, 1, 1, h, benchmarkOffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseExtensionsHostile(b *testing.B) {
	for name, v := range hostileValues() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(v)))
			values := []string{v}
			for b.Loop() {
				handshake.ParseExtensions(values)
			}
		})
	}
}
