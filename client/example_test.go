package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/clientproto"
)

// Follow all channels that a pattern matches, for as long as the program runs.
func ExampleClient_Subscribe() {
	ctx := context.Background()
	c, err := client.Dial(ctx, "https://example.com", nil)
	if err != nil {
		fmt.Println(err) // a server that does not want this client; Dial tries the others again
		return
	}
	defer c.Close()
	scores, err := c.Subscribe("scores/**", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range scores.Events(ctx) {
		if err != nil {
			fmt.Println(err) // ctx is done, or the server has ended the subscription
			return
		}
		switch {
		case e.Message != nil:
			fmt.Printf("%s: %s\n", e.Message.Channel, e.Message.Data)
		case e.Gap != nil && e.Gap.Reason == clientproto.GapLost:
			fmt.Printf("%s: read the state again\n", e.Gap.Channel)
		}
	}
}

// Publish, and know what became of it.
func ExampleClient_Publish() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, "https://example.com", &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return os.Getenv("TOKEN"), nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	p, err := c.Publish(ctx, "orders", client.JSON(map[string]int{"id": 7}), &client.PublishOptions{Event: "paid"})
	var problem *client.Problem
	switch {
	case errors.As(err, &problem) && problem.IsA(clientproto.ProblemForbidden):
		fmt.Println("not allowed:", problem.Detail)
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println("it is at", p.Position)
	}
}
