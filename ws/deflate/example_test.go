package deflate_test

import (
	"fmt"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// A client and a server agree, and the server sends two messages.
func Example() {
	options := deflate.Options{}.WithDefaults()

	offer := deflate.Offer(&options)
	params, response, ok := deflate.Accept([]handshake.Extension{offer}, &options)
	fmt.Println("accepted:", ok, response.Name, params.ServerMaxWindowBits)
	agreed, ok, err := deflate.CheckResponse([]handshake.Extension{response}, offer)
	fmt.Println("agreed:", agreed == params, ok, err)

	server := deflate.NewDeflater(params.FromServer(), &options)
	client := deflate.NewInflater(agreed.FromServer(), &options)
	for range 2 {
		payload := server.Append(nil, []byte("Hello")) // to be sent with RSV1
		message, err := client.Append(nil, payload, true)
		fmt.Printf("% x: %s %v\n", payload, message, err)
	}

	// Output:
	// accepted: true permessage-deflate 15
	// agreed: true true <nil>
	// f2 48 cd c9 c9 07 00: Hello <nil>
	// 02 13 00 00: Hello <nil>
}

// A message is inflated while it arrives, through a small buffer.
func ExampleInflater_Next() {
	options := deflate.Options{}.WithDefaults()
	inflater := deflate.NewInflater(deflate.Direction{}, &options)

	arriving := []string{"\xf2\x48\xcd", "\xc9\xc9\x07\x00"}
	var buffer [4]byte
	for i, part := range arriving {
		src, last := []byte(part), i == len(arriving)-1
		for more := true; more; {
			var n, used int
			var err error
			n, used, more, err = inflater.Next(buffer[:], src, last)
			if err != nil {
				fmt.Println(err)
				return
			}
			src = src[used:]
			fmt.Printf("%q more: %t\n", buffer[:n], more)
		}
	}

	// Output:
	// "He" more: false
	// "llo" more: false
}
