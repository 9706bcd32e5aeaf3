package server

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
)

// countedConn counts what arrives.
type countedConn struct {
	net.Conn
	n *atomic.Int64
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Long messages are sent compressed where that was agreed, and short ones and other
// clients get them as they are: replayed, live, bare and in envelopes.
func TestCompression(t *testing.T) {
	short, long := strings.Repeat("s", CompressionBytesMin-200), strings.Repeat("long ", CompressionBytesMin)
	for _, driver := range drivers {
		for _, on := range []bool{true, false} {
			for _, query := range []string{"last=2", "last=2&envelope=1"} {
				t.Run(fmt.Sprint(driver, "/", on, "/", query), func(t *testing.T) {
					s := start(t, Config{Driver: driver, Compression: &on})
					s.do(t, "POST", "/channels/c", short, "Content-Type", "text/plain")
					s.do(t, "POST", "/channels/c", long, "Content-Type", "text/plain")
					var received atomic.Int64
					dial := func(compression *deflate.Options) *ws.Conn {
						conn, _, err := ws.Dial(t.Context(), s.url+"/channels/c?"+query, &ws.DialOptions{
							Options: ws.Options{Compression: compression},
							NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
								nc, err := new(net.Dialer).DialContext(ctx, network, address)
								return countedConn{nc, &received}, err
							},
						})
						if err != nil {
							t.Fatal(err)
						}
						t.Cleanup(func() { _ = conn.CloseNow() })
						return conn
					}
					expect := func(conn *ws.Conn, want string) int64 {
						t.Helper()
						before := received.Load()
						_, p, err := conn.Read(t.Context())
						if err != nil || !strings.Contains(string(p), want) {
							t.Fatalf("%d bytes, %v", len(p), err)
						}
						return received.Load() - before
					}
					conn, plain := dial(&deflate.Options{}), dial(nil)
					if _, agreed := conn.Compression(); agreed != on {
						t.Errorf("agreed: %v", agreed)
					}
					for _, c := range []*ws.Conn{conn, plain} {
						expect(c, short)
						expect(c, long)
					}
					s.do(t, "POST", "/channels/c", long, "Content-Type", "text/plain")
					if n := expect(conn, long); (n < int64(len(long))/2) != on {
						t.Errorf("a long message took %d bytes", n)
					}
					if n := expect(plain, long); n < int64(len(long)) {
						t.Errorf("without compression it took %d bytes", n)
					}
					s.do(t, "POST", "/channels/c", short, "Content-Type", "text/plain")
					if n := expect(conn, short); n < int64(len(short)) {
						t.Errorf("a short message took %d bytes", n)
					}
					expect(plain, short)
					if err := conn.Write(t.Context(), ws.MessageText, []byte(long)); err != nil {
						t.Fatal(err)
					}
					expect(conn, long)
					expect(plain, long)
				})
			}
		}
	}
}
