package protocol

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
)

// What libraries of clients and of back ends ask of a socket ID.
var socketIDForm = regexp.MustCompile(`^\d+\.\d+$`)

func TestSocketIDs(t *testing.T) {
	for session, want := range map[string]string{
		"aaaaaaaaaaaaaaaaaaaaaaaaaa": "0.0",
		"aaaaaaaaaaaabaaaaaaaaaaaa7": "1.31",
		"77777777777777777777777777": "36893488147419103231.36893488147419103231", // 2^65-1, twice
	} {
		if got, ok := SocketID(session); !ok || got != want {
			t.Errorf("the socket ID of %s is %s, %v; want %s", session, got, ok, want)
		}
	}
	for range 1000 {
		session := strings.ToLower(rand.Text())
		id, ok := SocketID(session)
		if !ok || !socketIDForm.MatchString(id) || !LooksLikeSocketID(id) {
			t.Fatalf("the socket ID of %s is %q, %v", session, id, ok)
		}
		if back, ok := ParseSocketID(id); !ok || back != session {
			t.Fatalf("%s of %s is turned back to %q, %v", id, session, back, ok)
		}
	}
	for _, session := range []string{"", "abc", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxy1", "abcdefghijklmnopqrstuvwxyzz"} {
		if id, ok := SocketID(session); ok {
			t.Errorf("%q has the socket ID %s", session, id)
		}
	}
}

// Each session has one socket ID, and what others could mean by one is no session.
func TestSocketIDsOfNobody(t *testing.T) {
	for _, id := range []string{
		"", ".", "1", "1.", ".1", "1.2.3", "01.1", "1.01", "+1.1", "1.-1", "1e3.1", " 1.1", "1.1 ", "1_0.1", "a.b",
		"36893488147419103232.0", "0.36893488147419103232", "99999999999999999999.1", "100000000000000000000000000000000.1", strings.Repeat("1", 100) + ".1",
	} {
		if session, ok := ParseSocketID(id); ok {
			t.Errorf("%q is the socket ID of %s", id, session)
		}
	}
}

func FuzzParseSocketID(f *testing.F) {
	for _, id := range []string{"0.0", "123.456", "36893488147419103231.36893488147419103231", "1.36893488147419103232", "00.1"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		session, ok := ParseSocketID(id)
		if !ok {
			return
		}
		if !LooksLikeSocketID(id) {
			t.Errorf("%q does not look like a socket ID", id)
		}
		if back, ok := SocketID(session); !ok || back != id {
			t.Errorf("%q is of %s, whose socket ID is %q", id, session, back)
		}
	})
}
