package piesocket

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/compat/app"
)

// A key, which stands in every page, opens no channel that is closed to others, whatever
// the spelling: not as the channel of the URL, nor beside it, nor as what is sent to one user.
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
