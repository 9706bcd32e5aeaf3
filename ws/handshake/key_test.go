package handshake_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func TestAcceptKey(t *testing.T) {
	tests := []struct{ key, want string }{
		{sampleKey, sampleAccept},
		{"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
		{"", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="},
	}
	for _, tt := range tests {
		if got := handshake.AcceptKey(tt.key); got != tt.want {
			t.Errorf("AcceptKey(%q) = %q, want %q", tt.key, got, tt.want)
		}
		if got := string(handshake.AppendAcceptKey([]byte("x"), tt.key)); got != "x"+tt.want {
			t.Errorf("AppendAcceptKey(%q) = %q", tt.key, got)
		}
	}
	if a, b := handshake.AcceptKey(strings.Repeat("k", 1000)), handshake.AcceptKey("k"); len(a) != 28 || a == b {
		t.Errorf("a long key gave %q", a)
	}
}

// Every key a client can make passes the server, whatever its random bytes are.
func TestNewKey(t *testing.T) {
	for b := range 256 {
		var random [16]byte
		for i := range random {
			random[i] = byte(b + 37*i)
		}
		key := handshake.NewKey(random)
		if decoded, err := base64.StdEncoding.Strict().DecodeString(key); err != nil || string(decoded) != string(random[:]) {
			t.Fatalf("NewKey(%x) = %q", random, key)
		}
		r := chromeRequest()
		r.Header["Sec-Websocket-Key"] = []string{key}
		if _, f := handshake.Check(r, nil); f != nil {
			t.Fatal(f)
		}
	}
}
