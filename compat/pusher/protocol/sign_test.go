package protocol

import (
	"strings"
	"testing"
)

// Vectors of Pusher's documentation, and a vector that was computed for a name that is
// wrong there.
func TestSignatures(t *testing.T) {
	const key, secret, socket = "278d425bdf160c739803", "7ad3773142a6692b25b8", "1234.1234"
	for _, v := range []struct{ about, got, want string }{
		{"a private channel", AuthSubscription(key, secret, socket, "private-foobar", ""), "58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"},
		{"a presence channel", AuthSubscription(key, secret, socket, "presence-foobar", `{"user_id":10,"user_info":{"name":"Mr. Channels"}}`), "31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"},
		{"a user", AuthUser(key, secret, socket, `{"id":"12345"}`), "4708d583dada6a56435fb8bc611c77c359a31eebde13337c16ab43aa6de336ba"},
	} {
		if v.got != key+":"+v.want {
			t.Errorf("%s: %s, want %s", v.about, v.got, v.want)
		}
		if problem := authProblem(key, secret, v.got, "x", ""); problem == "" {
			t.Errorf("%s: it is also the signature of nothing", v.about)
		}
	}
	if problem := authProblem(key, secret, AuthSubscription(key, secret, socket, "private-foobar", ""), "x", "1234.1234:private-foobar"); problem != "" {
		t.Error(problem)
	}
}

// The vector of Pusher's documentation for requests, however the query is ordered and
// written.
func TestSignaturesOfRequests(t *testing.T) {
	const want = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
	params := []Parameter{
		{"body_md5", "ec365a775a4cd0599faeb73354201b6f"}, {"auth_version", "1.0"}, {"auth_signature", want},
		{"auth_key", "278d425bdf160c739803"}, {"auth_timestamp", "1353088179"},
	}
	if !IsRequestSigned("7ad3773142a6692b25b8", want, "POST", "/apps/3/events", params) {
		t.Errorf("it is not the signature of %q", SignedRequest("POST", "/apps/3/events", params))
	}
	for _, other := range []struct{ secret, method, path string }{
		{"7ad3773142a6692b25b9", "POST", "/apps/3/events"}, {"7ad3773142a6692b25b8", "GET", "/apps/3/events"}, {"7ad3773142a6692b25b8", "POST", "/apps/3/event"},
	} {
		if IsRequestSigned(other.secret, want, other.method, other.path, params) {
			t.Errorf("it is also the signature of %+v", other)
		}
	}
	got := SignedRequest("GET", "/p", []Parameter{{"info", "user_count,subscription_count"}, {"Auth_Key", "k"}, {"channels[]", "b"}, {"channels[]", "a"}})
	if want := "GET\n/p\nauth_key=k&channels[]=b&channels[]=a&info=user_count,subscription_count"; got != want {
		t.Errorf("what is signed is %q, want %q", got, want)
	}
}

// The text about a wrong signature never helps to make a right one.
func TestRefusalsDoNotShowSignatures(t *testing.T) {
	right := Sign(testSecret, "1.2:private-x")
	for _, auth := range []string{"", "x", "other:" + right[:10], testKey + ":", testKey + ":" + strings.Repeat("0", 64), testKey + ":" + strings.ToUpper(right), testKey + ":" + right[:63]} {
		problem := authProblem(testKey, testSecret, auth, "subscribe", "1.2:private-x")
		if problem == "" || strings.Contains(problem, right) {
			t.Errorf("%q: %q", auth, problem)
		}
	}
}
