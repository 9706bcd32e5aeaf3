package packet_test

import (
	"fmt"
	"time"

	"github.com/godwit-io/godwit/socketio/packet"
)

// What an Engine.IO session brings goes into a Conn, and what comes out is for a namespace
// that the client is in.
func ExampleConn() {
	conn, err := packet.NewConn(packet.Limits{}, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, message := range []string{`0/chat,{"token":"secret"}`, `2/chat,7["say","hello",{"bold":true}]`} {
		p, ok, err := conn.Text([]byte(message))
		if err != nil || !ok {
			fmt.Println("close", err)
			return
		}
		switch p.Type {
		case packet.Connect:
			fmt.Println("joins", p.Namespace, "with", string(p.Data))
			frame := conn.Accept(p.Namespace, "XJ5SCdG2NuVRpf0CAAAB", "")
			fmt.Println(string(frame[2:]))
		case packet.Event:
			fmt.Println("says", p.Event)
			for arg := range p.Args.All() {
				fmt.Println(string(arg))
			}
			answer := packet.Packet{Type: packet.Ack, Namespace: p.Namespace, ID: p.ID, HasID: true, Args: packet.Args(nil).AppendString("heard")}
			fmt.Println(string(answer.AppendText(nil)))
		}
	}
	// Output:
	// joins /chat with {"token":"secret"}
	// 40/chat,{"sid":"XJ5SCdG2NuVRpf0CAAAB"}
	// says say
	// "hello"
	// {"bold":true}
	// 3/chat,7["heard"]
}

// Bytes inside JSON become attachments, and the other way.
func ExampleAppendCollected() {
	args, attachments := packet.AppendCollected(nil, packet.Args(`{"name":"a.txt","content":{"$base64":"aGVsbG8="}}`), "$base64", nil)
	fmt.Printf("%s %q\n", args, attachments)

	again, err := packet.AppendExpanded(nil, args, attachments, packet.AppendBase64Object("$base64"))
	fmt.Println(string(again), err)
	// Output:
	// {"name":"a.txt","content":{"_placeholder":true,"num":0}} ["hello"]
	// {"name":"a.txt","content":{"$base64":"aGVsbG8="}} <nil>
}
