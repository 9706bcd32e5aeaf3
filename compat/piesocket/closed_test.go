package piesocket

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/compat/app"
)

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
