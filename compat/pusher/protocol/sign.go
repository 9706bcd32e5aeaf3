package protocol

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Sign is the signature of text: the HMAC-SHA256 with the secret of an app, in
// hexadecimal digits.
func Sign(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// isSigned compares in constant time.
func isSigned(secret, text, signature string) bool {
	return hmac.Equal([]byte(Sign(secret, text)), []byte(signature))
}

// signedSubscription is the text that the application signs to let a socket have a
// channel. data is the channel_data exactly as it was sent, "" for none.
func signedSubscription(socket, channel, data string) string {
	if data == "" {
		return socket + ":" + channel
	}
	return socket + ":" + channel + ":" + data
}

// signedUser is the text that the application signs to say that a socket is a user's.
func signedUser(socket, data string) string { return socket + "::user::" + data }

// AuthSubscription is the auth of a subscription, as an application's endpoint answers.
func AuthSubscription(key, secret, socket, channel, data string) string {
	return key + ":" + Sign(secret, signedSubscription(socket, channel, data))
}

// AuthUser is the auth of a sign-in, as an application's endpoint answers.
func AuthUser(key, secret, socket, data string) string {
	return key + ":" + Sign(secret, signedUser(socket, data))
}

// authProblem describes the fault of an auth for text, "" if there is none. It shows
// text, which has to be compared with the text that the application has signed; it never
// shows the signature that would be right.
func authProblem(key, secret, auth, what, text string) string {
	got, signature, found := strings.Cut(auth, ":")
	switch {
	case auth == "":
		return "Auth info required to " + what + ": KEY:SIGNATURE, where SIGNATURE is the HMAC SHA256 hex digest of " + quoted(text)
	case !found:
		return fmt.Sprintf("Invalid auth %s: it is KEY:SIGNATURE, with a colon between them", quoted(auth))
	case got != key:
		return fmt.Sprintf("Invalid key in auth: %s is not the key of this app; is the application configured with another app?", quoted(got))
	case !isSigned(secret, text, signature):
		return fmt.Sprintf("Invalid signature: Expected HMAC SHA256 hex digest of %s, but got %s", shown(text), shown(signature))
	}
	return ""
}

// shown is text of the peer as it is, cut where it is long: quotes in it would be
// escaped, and nobody could compare it.
func shown(s string) string {
	const bytesMax = 2048
	if len(s) > bytesMax {
		return strings.ToValidUTF8(s[:bytesMax], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Parameter is one of a query, decoded.
type Parameter struct{ Name, Value string }

// SignedRequest is the text that a back end signs for a request of the HTTP API: method,
// path, and all parameters but the signature, sorted by name and not encoded. params is
// sorted by it.
func SignedRequest(method, path string, params []Parameter) string {
	slices.SortStableFunc(params, func(a, b Parameter) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	var b strings.Builder
	b.WriteString(method + "\n" + path + "\n")
	isFirst := true
	for _, p := range params {
		name := strings.ToLower(p.Name)
		if name == "auth_signature" {
			continue
		}
		if !isFirst {
			b.WriteByte('&')
		}
		isFirst = false
		b.WriteString(name + "=" + p.Value)
	}
	return b.String()
}

// IsRequestSigned reports, in constant time, whether signature is the signature of a request.
func IsRequestSigned(secret, signature, method, path string, params []Parameter) bool {
	return isSigned(secret, SignedRequest(method, path, params), signature)
}
