package sockjs_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/sockjs"
)

// ask is what a client does that polls: it shows an answer of the server.
func ask(url, body string) {
	r, err := http.Post(url, "text/plain", strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	fmt.Println(strings.TrimSpace(fmt.Sprintf("%d %s", r.StatusCode, text)))
}

// An echo server for programs that wait.
func ExampleServe() {
	h := sockjs.Serve(func(ctx context.Context, c *sockjs.Conn) error {
		for text, err := range c.Messages(ctx) {
			if err != nil {
				return nil // the client has gone
			}
			if err := c.Send(ctx, "echo "+text); err != nil {
				return nil
			}
		}
		return nil
	})
	server, err := sockjs.New(h, &sockjs.Options{Base: "/echo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	http.Handle("/echo/", server)
	site := httptest.NewServer(http.DefaultServeMux)
	defer site.Close()

	// What a client does: it begins a session, sends, and asks for messages.
	ask(site.URL+"/echo/0/abc/xhr", "")
	ask(site.URL+"/echo/0/abc/xhr_send", `["hello"]`)
	ask(site.URL+"/echo/0/abc/xhr", "")
	// Output:
	// 200 o
	// 204
	// 200 a["echo hello"]
}

// chat sends every message to everybody.
type chat struct {
	sockjs.NopHandler
	room *room
}

func (c chat) OnOpen(s *sockjs.Session) { c.room.add(s) }
func (c chat) OnMessage(_ *sockjs.Session, _ sockjs.MessageType, data []byte) {
	c.room.say(string(data))
}
func (c chat) OnClose(s *sockjs.Session, _ *sockjs.CloseError) { c.room.remove(s) }

// A Handler has no goroutine for a session: its callbacks never wait.
func ExampleHandler() {
	server, err := sockjs.New(chat{room: newRoom()}, &sockjs.Options{Base: "/chat"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	site := httptest.NewServer(server)
	defer site.Close()

	ask(site.URL+"/chat/0/alice/xhr", "")
	ask(site.URL+"/chat/0/bob/xhr", "")
	ask(site.URL+"/chat/0/alice/xhr_send", `["hi","all"]`)
	ask(site.URL+"/chat/0/bob/xhr", "")
	// Output:
	// 200 o
	// 200 o
	// 204
	// 200 a["hi","all"]
}

// Decide refuses a client before it is told that its session is open. It may take its time:
// here somebody else decides, on another goroutine.
func ExampleOptions_decide() {
	isKnown := func(token string) bool { return token == "secret" }
	server, err := sockjs.New(sockjs.NopHandler{}, &sockjs.Options{
		Base: "/private",
		Decide: func(s *sockjs.Session, r *sockjs.Request) sockjs.Handler {
			token := strings.Clone(strings.TrimPrefix(r.Query(), "token="))
			s.Hold()
			go func() {
				if isKnown(token) {
					s.Accept()
				} else {
					s.Close(4401, "log in first")
				}
			}()
			return nil // the Handler of the Server
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	site := httptest.NewServer(server)
	defer site.Close()

	ask(site.URL+"/private/0/a/xhr?token=guess", "")
	ask(site.URL+"/private/0/b/xhr?token=secret", "")
	// Output:
	// 200 c[4401,"log in first"]
	// 200 o
}

// One Server serves any number of bases: here a room for each path below /rooms.
func ExampleOptions_match() {
	server, err := sockjs.New(nil, &sockjs.Options{
		Match: func(path string) (base, rest string, ok bool) {
			base, rest = sockjs.SplitPath(path)
			return base, rest, strings.HasPrefix(base, "/rooms/")
		},
		Decide: func(s *sockjs.Session, r *sockjs.Request) sockjs.Handler {
			_ = s.Send("welcome to " + r.Base())
			return sockjs.NopHandler{}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	site := httptest.NewServer(server)
	defer site.Close()

	ask(site.URL+"/rooms/7/garden/0/a/xhr", "")
	ask(site.URL+"/rooms/7/garden/0/a/xhr", "")
	// Output:
	// 200 o
	// 200 a["welcome to /rooms/7/garden"]
}
