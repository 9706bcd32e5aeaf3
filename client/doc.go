// Package client follows and publishes to channels of a Godwit server.
//
//	c, err := client.Dial(ctx, "https://example.com", nil)
//	…
//	defer c.Close()
//	sub, err := c.Subscribe("scores/**", nil)
//	…
//	for e, err := range sub.Events(ctx) {
//		if err != nil {
//			return err // the server has refused it, or ctx is done
//		}
//		switch {
//		case e.Message != nil:
//			fmt.Printf("%s: %s\n", e.Message.Channel, e.Message.Data)
//		case e.Gap != nil:
//			fmt.Println("something is missing:", e.Gap.Reason)
//		}
//	}
//
// It publishes, calls methods, and answers calls: see Client.Publish, RPC and Handle.
//
// A Client is one session of godwit.v1, over however many connections that takes. It comes
// back by itself when a connection breaks, at the pace that the server asks for, and goes on where
// it was: each subscription gets every publication once and in order, or a Gap that says what is
// missing. Messages published meanwhile wait, and are published once. It speaks over a WebSocket.
// Where a proxy does not let that through, it uses a stream of HTTP or long polls.
package client
