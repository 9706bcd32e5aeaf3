package handshake_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/handshake"
)

func ExampleCheck() {
	origins, err := handshake.ParseOrigins([]string{"https://*.example.com"})
	if err != nil {
		panic(err)
	}
	policy := &handshake.Policy{Origins: origins, Subprotocols: []string{"json"}}

	request := &handshake.Request{
		Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: "api.example.com",
		Header: handshake.Header{
			"Connection":             {"Upgrade"},
			"Upgrade":                {"websocket"},
			"Origin":                 {"https://app.example.com"},
			"Sec-Websocket-Version":  {"13"},
			"Sec-Websocket-Key":      {"dGhlIHNhbXBsZSBub25jZQ=="},
			"Sec-Websocket-Protocol": {"cbor, json"},
		},
	}
	accepted, fault := handshake.Check(request, policy)
	if fault != nil {
		panic(fault)
	}
	response, err := handshake.AppendResponse(nil, &accepted, "", nil)
	if err != nil {
		panic(err)
	}
	fmt.Print(strings.ReplaceAll(string(response), "\r\n", "\n"))

	request.Header["Origin"] = []string{"https://example.com.evil.net"}
	_, fault = handshake.Check(request, policy)
	fmt.Println(fault.Status, fault.Rule)
	fmt.Println(fault.Reason)
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: json
	//
	// 403 origin
	// pages of origin "https://example.com.evil.net" may not connect to "api.example.com": it is another origin, and the server does not list it
}

func ExampleCheckResponse() {
	random := [16]byte([]byte("the sample nonce")) // from crypto/rand, in earnest
	offer := &handshake.Offer{
		Host:         "api.example.com",
		RequestURI:   "/chat",
		Key:          handshake.NewKey(random),
		Subprotocols: []string{"json"},
	}
	request, err := handshake.AppendRequest(nil, offer)
	if err != nil {
		panic(err)
	}
	fmt.Print(strings.ReplaceAll(string(request), "\r\n", "\n"))

	// The head of the answer, as net/http's ReadResponse gives it.
	answer := handshake.Header{
		"Connection":             {"Upgrade"},
		"Upgrade":                {"websocket"},
		"Sec-Websocket-Accept":   {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		"Sec-Websocket-Protocol": {"json"},
	}
	result, err := handshake.CheckResponse(101, 1, 1, answer, offer)
	fmt.Println(result.Subprotocol, err)

	_, err = handshake.CheckResponse(200, 1, 1, nil, offer)
	var response *handshake.ResponseError
	fmt.Println(errors.As(err, &response), err)
	// Output:
	// GET /chat HTTP/1.1
	// Host: api.example.com
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	// Sec-WebSocket-Version: 13
	// Sec-WebSocket-Protocol: json
	//
	// json <nil>
	// true handshake: the server answered 200 instead of 101 Switching Protocols: it does not speak WebSocket at this URL, or a proxy in between does not pass on Upgrade
}

func ExampleParseOrigins() {
	origins, err := handshake.ParseOrigins([]string{"https://*.example.com", "http://localhost:*"})
	if err != nil {
		panic(err)
	}
	fmt.Println(origins)
	for _, origin := range []string{"https://app.example.com", "http://localhost:3000", "https://app.example.com.evil.net", "null"} {
		fmt.Println(origins.Allow(origin, "api.example.com", true), origin)
	}
	_, err = handshake.ParseOrigins([]string{"https://example.com/app"})
	fmt.Println(err)
	// Output:
	// same origin, https://*.example.com, http://localhost:*
	// true https://app.example.com
	// true http://localhost:3000
	// false https://app.example.com.evil.net
	// false null
	// handshake: origin pattern "https://example.com/app": an origin ends after the host and port: remove "/app"
}
