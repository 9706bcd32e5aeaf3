package client_test

import (
	"context"
	"encoding/json"
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

// Answer what others call, as the back end of an auction.
func ExampleClient_Handle() {
	ctx := context.Background()
	c, err := client.Dial(ctx, "https://example.com", &client.Options{
		Token: func(context.Context, client.Reason) (string, error) { return os.Getenv("KEY"), nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	highest := make(chan int, 1) // has the highest bid while nobody looks at it
	highest <- 0
	bids, err := c.Handle(ctx, "auction/bid", func(ctx context.Context, call client.Call) (client.Data, error) {
		var bid int
		if err := json.Unmarshal(call.Data.Bytes, &bid); err != nil {
			return client.Data{}, &client.Problem{Type: "https://example.com/bad-bid", Title: "A bid is a number"}
		}
		now := <-highest
		defer func() { highest <- now }()
		if bid <= now {
			return client.Data{}, &client.Problem{Type: "https://example.com/too-low", Title: "Too low", Detail: fmt.Sprintf("the highest bid is %d", now)}
		}
		if _, err := c.Publish(ctx, "auction", client.JSON(bid), &client.PublishOptions{Key: "highest"}); err != nil {
			return client.Data{}, err // logged; the bidder hears that the call has failed
		}
		now = bid
		return client.JSON(now), nil
	}, nil)
	if err != nil {
		fmt.Println(err) // the key has not the grant answer, for example
		return
	}
	<-bids.Done()
	fmt.Println(bids.Err())
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
