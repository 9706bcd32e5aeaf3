package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// What each side wants of permessage-deflate, and what they agree on. A window
// that nobody limits has 15 bits.
var negotiations = []struct {
	name   string
	client *params
	server *params
	want   *deflate.Params
	only   role // "" is both
}{
	{"neither", nil, nil, nil, ""},
	{"only the client", &params{}, nil, nil, ""},
	{"only the server", nil, &params{}, nil, ""},
	{"both", &params{}, &params{}, &deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}, ""},
	{
		"the client demands no takeover", &params{ServerNoContextTakeover: true}, &params{},
		&deflate.Params{ServerNoContextTakeover: true, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}, "",
	},
	{
		"the server demands no takeover", &params{}, &params{ClientNoContextTakeover: true},
		&deflate.Params{ClientNoContextTakeover: true, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}, "",
	},
	{
		"both renounce takeover", &params{ClientNoContextTakeover: true}, &params{ServerNoContextTakeover: true, ClientNoContextTakeover: true},
		&deflate.Params{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15}, "",
	},
	{
		"the client limits the server's window", &params{ServerMaxWindowBits: 10}, &params{},
		&deflate.Params{ServerMaxWindowBits: 10, ClientMaxWindowBits: 15}, "",
	},
	{
		"the server limits the client's window", &params{}, &params{ClientMaxWindowBits: 9},
		&deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 9}, "",
	},
	{
		"both limit both, the smaller counts", &params{ServerMaxWindowBits: 12, ClientMaxWindowBits: 11}, &params{ServerMaxWindowBits: 11, ClientMaxWindowBits: 9},
		&deflate.Params{ServerMaxWindowBits: 11, ClientMaxWindowBits: 9}, "",
	},
	{
		"everything", &params{true, true, 9, 9}, &params{true, true, 9, 9},
		&deflate.Params{ServerNoContextTakeover: true, ClientNoContextTakeover: true, ServerMaxWindowBits: 9, ClientMaxWindowBits: 9}, "",
	},
	// zlib, in both peers, inflates a window of 8 bits and cannot deflate one.
	{
		"the smallest window for a server", &params{ServerMaxWindowBits: 8}, &params{},
		&deflate.Params{ServerMaxWindowBits: 8, ClientMaxWindowBits: 15}, asServer,
	},
	{
		"the smallest window for a client", &params{}, &params{ClientMaxWindowBits: 8},
		&deflate.Params{ServerMaxWindowBits: 15, ClientMaxWindowBits: 8}, asClient,
	},
}

func testCompression(t *testing.T, p *peer, r role) {
	for _, c := range negotiations {
		if c.only != "" && c.only != r {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			o := setting{tapped: true}
			if r == asServer {
				o.ws.Compression, o.peer.Deflate = compression(c.server), c.client
			} else {
				o.ws.Compression, o.peer.Deflate = compression(c.client), c.server
			}
			n, f := connect(t, p, r, o)
			got, compressed := n.Compression()
			switch {
			case compressed != (c.want != nil):
				t.Fatalf("compressed %t: %+v", compressed, got)
			case compressed && got != *c.want:
				t.Fatalf("agreed on %+v, want %+v", got, *c.want)
			case strings.Contains(f.opened.Extensions, deflate.Name) != compressed:
				t.Fatalf("the peer has the extensions %q", f.opened.Extensions)
			}

			// What repeats at every distance there is, so that a window too small on
			// either side is noticed, and messages that refer to those before.
			var long strings.Builder
			for i := range 6000 {
				fmt.Fprintf(&long, "%d godwit %d;", i%37, i*i%1009)
			}
			texts := []string{"hello hello hello", "", long.String(), long.String()[100:], "hello hello hello", strings.Repeat("z", 70_000)}
			for _, text := range texts {
				n.send(t, false, text)
				f.wantsMessage(t, false, text)
				f.send(true, text)
				n.wantsMessage(t, true, text)
			}
			in, out := n.tap.frames(t)
			for whose, frames := range map[string][]wire.Header{"the peer's": in, "godwit's": out} {
				if len(frames) < len(texts) {
					t.Fatalf("%d of %s frames for %d messages", len(frames), whose, len(texts))
				}
				for i, h := range frames {
					if h.Opcode.IsControl() { // a ping, on a machine that is busy
						continue
					}
					// An empty message may go as it is.
					if empty := h.Length <= 1 && h.Fin; !empty && h.Opcode != wire.Continuation && (h.RSV == wire.RSV1) != compressed {
						t.Errorf("%s frame %d is %+v", whose, i, h)
					}
				}
			}
			if compressed {
				if size := int64(len(long.String())); bytesOf(in) > 3*size/2 || bytesOf(out) > 3*size/2 {
					t.Errorf("%d bytes took %d and %d on the wire", 2*size, bytesOf(in), bytesOf(out))
				}
			}
		})
	}
}

func bytesOf(frames []wire.Header) (sum int64) {
	for _, h := range frames {
		sum += h.Length
	}
	return sum
}
