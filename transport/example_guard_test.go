package transport_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
)

// Channels in a program of one's own, with its own accounts: a function names the client
// of a request, and grants say what it may do. They hold for WebSockets, streams, pages,
// long polls, publications and presence alike.
func ExampleIdentify() {
	accounts := map[string]string{"s3cret-of-ann": "ann"} // of the program
	grants, err := access.ParseGrants(map[string][]string{"subscribe": {"news", "inbox/{user}"}, "publish": {"inbox/*"}})
	if err != nil {
		log.Fatal(err)
	}
	guard := transport.Identify(func(r *transport.Request) (*access.Identity, error) {
		user, ok := accounts[r.Cookie("session")]
		if !ok || !r.AdmitsCookies() {
			return nil, errors.New("log in first")
		}
		return &access.Identity{Kind: access.Application, User: user, Grants: grants}, nil
	})
	broker, err := membroker.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	channels, err := transport.New(h, &transport.Options{Guard: guard})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(channels)
	defer server.Close()

	for _, try := range []struct{ channel, session string }{{"inbox/bob", "guess"}, {"inbox/bob", "s3cret-of-ann"}, {"news", "s3cret-of-ann"}} {
		r, _ := http.NewRequest(http.MethodPost, server.URL+"/channels/"+try.channel, strings.NewReader("hello"))
		r.AddCookie(&http.Cookie{Name: "session", Value: try.session})
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(try.channel, response.Status)
	}
	// Output:
	// inbox/bob 401 Unauthorized
	// inbox/bob 201 Created
	// news 403 Forbidden
}
