package socketio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/godwit-io/godwit/socketio"
)

// Events go both ways; an event can ask for an answer.
func Example() {
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	main := server.Namespace("/")
	main.On("greet", func(e *socketio.Event) {
		var name string
		if err := e.Bind(&name); err != nil {
			return // the client has sent something else
		}
		e.Socket().Emit("greeting", "hello, "+name)
	})
	main.On("add", func(e *socketio.Event) {
		var a, b int
		if err := e.Bind(&a, &b); err == nil {
			e.Ack(a + b)
		}
	})
	url, end := serve(server)
	defer end()

	ada := open(url, "/", "")
	ada.say(`42["greet","ada"]`)
	fmt.Println(ada.hear())
	ada.say(`421["add",2,3]`)
	fmt.Println(ada.hear())
	// Output:
	// 42["greeting","hello, ada"]
	// 431[5]
}

// A chat with rooms: a client in a room hears what the others say there.
func Example_chat() {
	type message struct {
		From string `json:"from"`
		Text string `json:"text"`
	}
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	chat := server.Namespace("/chat")
	chat.OnConnect(func(s *socketio.Socket, auth socketio.Auth) error {
		var said struct{ Name, Room string }
		if err := auth.Bind(&said); err != nil || said.Name == "" || said.Room == "" {
			return &socketio.Refusal{Message: "say your name and your room"}
		}
		s.SetData(said.Name)
		if err := s.Join(said.Room); err != nil {
			return err
		}
		s.On("say", func(e *socketio.Event) {
			var text string
			if err := e.Bind(&text); err != nil {
				return
			}
			chat.To(said.Room).Emit("said", message{said.Name, text})
		})
		return s.To(said.Room).Emit("joined", said.Name)
	})
	chat.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) {
		chat.To(s.Rooms()...).Emit("left", s.Data())
	})
	url, end := serve(server)
	defer end()

	ada := open(url, "/chat", `{"name":"ada","room":"go"}`)
	bob := open(url, "/chat", `{"name":"bob","room":"go"}`)
	fmt.Println("ada:", ada.hear())
	bob.say(`42/chat,["say","hello"]`)
	fmt.Println("ada:", ada.hear())
	fmt.Println("bob:", bob.hear())
	bob.leave()
	fmt.Println("ada:", ada.hear())
	fmt.Println("eve:", open(url, "/chat", "").answer)
	// Output:
	// ada: 42/chat,["joined","bob"]
	// ada: 42/chat,["said",{"from":"bob","text":"hello"}]
	// bob: 42/chat,["said",{"from":"bob","text":"hello"}]
	// ada: 42/chat,["left","bob"]
	// eve: 44/chat,{"message":"say your name and your room"}
}

// A refusal can say more than a sentence.
func ExampleRefusal() {
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Namespace("/").OnConnect(func(*socketio.Socket, socketio.Auth) error {
		return &socketio.Refusal{Message: "your plan has ended", Data: map[string]string{"renew": "/plans"}}
	})
	url, end := serve(server)
	defer end()

	fmt.Println(open(url, "/", "").answer)
	// Output: 44{"message":"your plan has ended","data":{"renew":"/plans"}}
}

// The server asks a client, and waits for what its program answers.
func ExampleSocket_EmitWithAck() {
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	main := server.Namespace("/")
	url, end := serve(server)
	defer end()

	ada := open(url, "/", "")
	go func() {
		if ada.hear() == `421["which page?"]` {
			ada.say(`431["/start",7]`)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, s := range main.All().Sockets() {
		answer, err := s.EmitWithAck(ctx, "which page?")
		if err != nil {
			fmt.Println(err)
			return
		}
		var page string
		var seconds int
		err = answer.Bind(&page, &seconds)
		fmt.Println(page, seconds, err)
	}
	// Output: /start 7 <nil>
}

// Bytes are sent as they are, at any depth.
func ExampleBinary() {
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Namespace("/").OnConnect(func(s *socketio.Socket, _ socketio.Auth) error {
		return s.Emit("file", map[string]any{"name": "a.txt", "content": socketio.Binary("hello")})
	})
	url, end := serve(server)
	defer end()

	ada := open(url, "/", "")
	fmt.Println(ada.hear())
	fmt.Println(ada.hear())
	// Output:
	// 451-["file",{"content":{"_placeholder":true,"num":0},"name":"a.txt"}]
	// hello
}

// Each team has a namespace, which exists while somebody is in it.
func ExampleServer_Dynamic() {
	server, err := socketio.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	team := regexp.MustCompile(`^/team-[0-9]+$`)
	server.Dynamic(team.MatchString, func(n *socketio.Namespace) {
		n.On("say", func(e *socketio.Event) { n.Emit("said", e.Arguments) })
	})
	url, end := serve(server)
	defer end()

	ada := open(url, "/team-7", "")
	ada.say(`42/team-7,["say","hello",{"to":"all"}]`)
	fmt.Println(ada.hear())
	fmt.Println(open(url, "/teams", "").answer)
	// Output:
	// 42/team-7,["said","hello",{"to":"all"}]
	// 44/teams,{"message":"Invalid namespace"}
}

// A client that comes back soon goes on where it was.
func ExampleRecovery() {
	server, err := socketio.New(&socketio.Options{Recovery: &socketio.Recovery{}})
	if err != nil {
		fmt.Println(err)
		return
	}
	main := server.Namespace("/")
	gone := make(chan bool)
	main.OnConnect(func(s *socketio.Socket, _ socketio.Auth) error {
		fmt.Println("recovered:", s.Recovered())
		return s.Join("news")
	})
	main.OnDisconnect(func(*socketio.Socket, socketio.Reason) { gone <- true })
	url, end := serve(server)
	defer end()

	ada := open(url, "/", "")
	var session struct{ SID, PID string }
	if err := json.Unmarshal([]byte(ada.answer[2:]), &session); err != nil {
		fmt.Println(err)
		return
	}
	ada.leave()
	<-gone
	main.To("news").Emit("news", "you were away")

	ada = open(url, "/", `{"pid":"`+session.PID+`"}`)
	news := ada.hear()
	fmt.Println(news[:len(`42["news","you were away"`)])
	ada.leave()
	<-gone
	// Output:
	// recovered: false
	// recovered: true
	// 42["news","you were away"
}
