package proxyproto_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/internal/proxyproto"
)

func TestConn(t *testing.T) {
	for _, step := range []int{1, 7, 4096} {
		for _, remoteFirst := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				c := proxyproto.NewConn(server, time.Second)
				defer c.Close()
				go func() {
					text := "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nhello"
					for len(text) > 0 {
						n := min(step, len(text))
						io.WriteString(client, text[:n])
						text = text[n:]
					}
					client.Close()
				}()
				if remoteFirst && c.RemoteAddr().String() != "192.0.2.1:56324" {
					t.Error(c.RemoteAddr())
				}
				if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
					t.Errorf("%q, %v", b, err)
				}
				if c.RemoteAddr().String() != "192.0.2.1:56324" {
					t.Error(c.RemoteAddr())
				}
			})
		}
	}
}

func TestConnRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		c := proxyproto.NewConn(server, 3*time.Second)
		defer c.Close()
		go io.WriteString(client, "PROXY TCP4 ")
		begin := time.Now()
		if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Error(err, time.Since(begin))
		}
		if c.RemoteAddr() != server.RemoteAddr() {
			t.Error(c.RemoteAddr())
		}
	})
	for _, text := range []string{"GET / HTTP/1.1\r\n", "PROXY TCP4 1 2 3 4\r\n", "PROXY ", ""} {
		client, server := net.Pipe()
		c := proxyproto.NewConn(server, time.Minute)
		go func() {
			io.WriteString(client, text)
			client.Close()
		}()
		_, err := c.Read(make([]byte, 10))
		if err == nil || errors.Is(err, io.EOF) || strings.HasPrefix(text, "GET") != errors.Is(err, proxyproto.ErrMissing) {
			t.Errorf("%q: %v", text, err)
		}
		if _, again := c.Read(nil); again != err {
			t.Error(again)
		}
		c.Close()
	}
}
