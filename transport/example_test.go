package transport_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
)

// Channels in a program of one's own, behind its own rules: a Transport is a handler,
// and the handler in front of it decides which requests come through.
func Example() {
	broker, err := membroker.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	channels, err := transport.New(h, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux() // the rest of the program
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !channels.Serves(r):
			mux.ServeHTTP(w, r)
		case r.Method == http.MethodPost && r.Header.Get("Authorization") != "Bearer secret":
			http.Error(w, "only those who are known may publish", http.StatusUnauthorized)
		default:
			channels.ServeHTTP(w, r)
		}
	}))
	defer server.Close()

	url := server.URL + "/channels/news"
	for _, token := range []string{"Bearer guess", "Bearer secret"} {
		r, _ := http.NewRequest(http.MethodPost, url, strings.NewReader("hello"))
		r.Header.Set("Authorization", token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
	}
	response, err := http.Get(url + "?last=1")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	page, _ := io.ReadAll(response.Body)
	fmt.Println(strings.Contains(string(page), `"data":"hello"`))
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 401 Unauthorized
	// 201 Created
	// true
}

// The same on event loops: streams, pages, publications and WebSockets cost no
// goroutine, and other requests go to Server.HTTP.
func ExampleTransport_Route() {
	broker, err := membroker.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	channels, err := transport.New(h, nil)
	if err != nil {
		log.Fatal(err)
	}
	serveOnLoops(channels, func(url string) {
		response, err := http.Post(url+"/channels/news", "text/plain", strings.NewReader("hello"))
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
		http.DefaultClient.CloseIdleConnections()
	})
	// Output: 201 Created
}

func serveOnLoops(channels *transport.Transport, use func(url string)) {
	loops := &engine.Server{
		Handler:      engine.NopHandler{},
		HTTP:         channels, // and what else the program serves
		Route:        channels.Route,
		Admit:        channels.Admit,
		Refuse:       channels.Problem,
		Subprotocols: transport.Subprotocols(),
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go loops.Serve(ln)
	defer loops.Close()
	use("http://" + ln.Addr().String())
}
