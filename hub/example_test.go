package hub_test

import (
	"context"
	"fmt"
	"log"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// A program that is its own edge: a session takes commands, which do not wait, and
// wake tells when something is owed. Here the client is the standard output.
func Example() {
	broker, err := membroker.New(nil) // in this process
	if err != nil {
		log.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()

	woken := make(chan struct{}, 1)
	session, err := h.Connect("example", func() {
		select {
		case woken <- struct{}{}:
		default: // it is to look already
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	const subscribing = 1 // tags name commands in their outcomes
	session.Subscribe(subscribing, "chat/kitchen", hub.SubscribeOptions{Last: 10})
	for heard := 0; heard < 1; {
		<-woken
		pushes, err := session.Take(nil)
		if err != nil {
			log.Fatal(err)
		}
		for _, p := range pushes {
			switch {
			case p.Outcome != nil && p.Outcome.Tag == subscribing:
				fmt.Println("subscribed:", p.Outcome.Err == nil)
				// The program publishes. A session can, too: session.Publish.
				if _, _, err := h.Publish(context.Background(), hub.Message{Channel: "chat/kitchen", Kind: hub.Text, Data: []byte("tea is ready")}); err != nil {
					log.Fatal(err)
				}
			case p.Delivery != nil:
				fmt.Printf("%s: %s\n", p.Channel, p.Delivery.Data)
				heard++
			case p.Gap != nil:
				fmt.Println("something is missing")
			}
		}
	}
	// Output:
	// subscribed: true
	// chat/kitchen: tea is ready
}
