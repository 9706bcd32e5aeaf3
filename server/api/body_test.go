package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Bodies that do not come, or not as announced, are answered and not waited for.
func TestBodiesThatDoNotCome(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.BodyTimeout = 50 * time.Millisecond })
	for _, row := range []struct{ head, want string }{
		{"Content-Length: 50\r\n\r\n{\"channel\"", "408 body-timeout: the body did not arrive within 50ms"},
		{"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"cha", "408 body-timeout"},
		{"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400 broken-body"},
		{fmt.Sprintf("Content-Length: %d\r\n\r\n", 1<<30), "413 body-too-large: the body is longer than 1048576 bytes"},
	} {
		c, err := net.Dial("tcp", f.http.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer root\r\nContent-Type: application/json\r\n%s", row.head)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Error(err)
		}
		got := fmt.Sprint(response.StatusCode, " ", answered{t, response.StatusCode, response.Header, string(b)}.problem())
		if !strings.HasPrefix(got, row.want) || !response.Close {
			t.Errorf("%.40q: %s, the connection ends: %v; want %s", row.head, got, response.Close, row.want)
		}
		response.Body.Close()
		c.Close()
	}
}
