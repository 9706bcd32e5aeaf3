//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// A message that is too long ends the connection before it has arrived.
func ExampleOptions_limits() {
	server := httptest.NewServer(echo(&ws.AcceptOptions{Options: ws.Options{
		MessageBytesMax: 4 << 10,
		FragmentsMax:    16,
	}}))
	defer server.Close()

	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, server.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.CloseNow()

	conn.Write(ctx, ws.MessageText, []byte(strings.Repeat("a", 4<<10)))
	_, message, err := conn.Read(ctx)
	fmt.Println(len(message), err)

	conn.Write(ctx, ws.MessageText, []byte(strings.Repeat("a", 4<<10+1)))
	_, _, err = conn.Read(ctx)
	fmt.Println(ws.CloseStatus(err))
	// Output:
	// 4096 <nil>
	// 1009 message too big
}

// Enqueue never waits. The water marks say when a peer falls behind and when it
// has caught up, and ErrQueueFull when no more is taken for it.
func ExampleConn_Enqueue() {
	near, far := wstest.Pipe(&wstest.PipeOptions{BufferBytes: 1 << 10})
	caughtUp := make(chan struct{})
	server := ws.NewServerConn(near, &ws.Options{
		QueueBytesMax: 16 << 10,
		OnHighWater:   func(*ws.Conn, int) { fmt.Println("falls behind") },
		OnLowWater:    func(*ws.Conn, int) { fmt.Println("has caught up"); close(caughtUp) },
	})
	defer server.CloseNow()

	sent := 0
	for {
		err := server.Enqueue(ws.MessageText, []byte(strings.Repeat("x", 1000)))
		if errors.Is(err, ws.ErrQueueFull) {
			break // drop it, or close the connection, or wait for OnLowWater
		}
		sent++
	}
	fmt.Println("full:", server.Buffered() > 15<<10)

	client := ws.NewClientConn(far, nil)
	defer client.CloseNow()
	for range sent {
		if _, _, err := client.Read(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	<-caughtUp
	fmt.Println("left:", server.Buffered())
	// Output:
	// falls behind
	// full: true
	// has caught up
	// left: 0
}
