package piesocket

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
)

// A key, which stands in every page, opens no channel that is closed to others, whatever
// the spelling: not as the channel of the URL, nor beside it, nor as messages to one user.
func TestKeyOpensNoClosedChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, prefix := range []string{"shop/", ""} {
			own, err := app.New([]app.App{{ID: "1", Key: "shop-key", Secret: []byte(secret), Prefix: prefix}})
			if err != nil {
				t.Fatal(err)
			}
			s := newStage(t, &Options{Apps: own}, nil)
			for _, name := range []string{"presence-room", "private-room", "private-encrypted-x", "%70resence-room", "presence%2Droom"} {
				for _, version := range []string{"v3", "v4"} {
					c := s.open("A", "/"+version+"/"+name+"?api_key=shop-key&presence=1&user=ann", "")
					if heard := strings.Join(c.heard, "\n"); !strings.Contains(heard, "Authentication failed") || !strings.Contains(heard, "closed") {
						t.Errorf("%s/%s: %s", version, name, heard)
					}
				}
			}
			s.open("B", "/v4/room?api_key=shop-key", "")
			for _, name := range []string{"presence-room", "private-room"} {
				s.say("B", `{"event":"system::subscribe","data":{"channel":"`+name+`","presence":true}}`)
				s.say("B", `{"event":"x","data":1,"system::channel":"`+name+`"}`)
				s.say("B", `{"event":"system::get_members","data":{"channel":"`+name+`"}}`)
			}
			for _, heard := range s.clients["B"].heard[1:] {
				if !strings.Contains(heard, "error") {
					t.Errorf("beside the channel of the URL: %s", heard)
				}
			}
			if channels := s.hub.Channels(); len(channels) != 1 {
				t.Errorf("there are the channels %+v", channels)
			}
			s.end()
		}
	})
}

// The channels of users are theirs: the key of an app without a prefix neither reads them
// nor writes there.
func TestKeyOpensNoChannelOfAUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		own, err := app.New([]app.App{{ID: "1", Key: "shop-key", Secret: []byte(secret)}})
		if err != nil {
			t.Fatal(err)
		}
		s := newStage(t, &Options{Apps: own}, nil)
		defer s.end()
		for _, path := range []string{"/v3/@ann", "/v4/@ann", "/v3/%40ann"} {
			c := s.open("A", path+"?api_key=shop-key", "")
			if heard := strings.Join(c.heard, "\n"); !strings.Contains(heard, `belong to users`) || !strings.Contains(heard, "closed 4400") {
				t.Errorf("%s: %s", path, heard)
			}
		}
		s.open("B", "/v4/room?api_key=shop-key", "")
		s.say("B", `{"event":"system::subscribe","data":{"channel":"@ann"}}`)
		s.expect("B", `{"event":"system::connected"}`, `{"event":"system::subscribe_error","data":{"channel":"@ann","error":"channels that begin with \"@\" belong to users"}}`)
		api, err := NewAPI(&Options{Apps: own, Hub: s.hub})
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("POST", "/api/publish", strings.NewReader(`{"key":"shop-key","secret":"`+secret+`","channelId":"@ann","message":"hi"}`)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("the API: %d %s", w.Code, w.Body)
		}
	})
}

// A client that was still waiting when its app was removed is not let in, and a client
// that is there says nothing more.
func TestAppThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{}, nil)
		defer s.end()
		for range acceptedBurst {
			s.protocol.returns.delay("shop-key", netip.MustParseAddr("192.0.2.1"), time.Now())
		}
		s.open("A", "/v4/room?api_key=shop-key", "")
		s.open("late", "/v4/room?api_key=shop-key", "192.0.2.1:1000")
		if heard := s.clients["late"].take(); len(heard) != 0 {
			t.Fatalf("it does not wait: %q", heard)
		}
		if err := s.apps.Replace([]app.App{{ID: "1", Key: "shop-key", Secret: []byte("another secret of it"), Prefix: "shop/"}}); err != nil {
			t.Fatal(err)
		}
		s.say("A", "hello")
		<-time.After(2 * delayMin)
		s.settle()
		for _, name := range []string{"A", "late"} {
			if heard := strings.Join(s.clients[name].take(), "\n"); !strings.Contains(heard, "the app was removed") || !strings.Contains(heard, "closed 4404") {
				t.Errorf("%s hears %s", name, heard)
			}
		}
		if page, err := s.hub.History(t.Context(), "shop/room", hub.Query{}); err != nil || len(page.Publications) != 0 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}
