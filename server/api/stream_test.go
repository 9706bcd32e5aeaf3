package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// streaming is a stream as its client has it.
type streaming struct {
	t        *testing.T
	request  *io.PipeWriter
	response *http.Response
	lines    *bufio.Scanner
}

func (f *fixture) stream(t *testing.T, client *http.Client, url, who string) *streaming {
	t.Helper()
	body, request := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+Prefix+"batch", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", linesType)
	r.Header.Set("Authorization", "Bearer "+who)
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	s := &streaming{t, request, response, bufio.NewScanner(response.Body)}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != linesType {
		t.Fatal(response.Status, response.Header)
	}
	t.Cleanup(func() { request.Close(); response.Body.Close() })
	return s
}

func (f *fixture) streamHere(t *testing.T, who string) *streaming {
	t.Helper()
	return f.stream(t, f.http.Client(), f.http.URL, who)
}

func (s *streaming) send(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.request, text); err != nil {
		s.t.Fatal(err)
	}
}

// want reads the outcome of a line. It is as openapi.json says.
func (s *streaming) want(want string) result {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("the stream ended (%v), want %s", s.lines.Err(), want)
	}
	doc, err := described()
	if err != nil {
		s.t.Fatal(err)
	}
	var r result
	var value any
	if err := json.Unmarshal(s.lines.Bytes(), &value); err != nil {
		s.t.Fatal(err)
	}
	if err := doc.Components.Schemas["Outcome"].Value.VisitJSON(value); err != nil {
		s.t.Error(err)
	}
	if err := json.Unmarshal(s.lines.Bytes(), &r); err != nil || r.String() != want {
		s.t.Fatalf("%s, want %s", s.lines.Bytes(), want)
	}
	return r
}

// wantEnd reads what ends a stream.
func (s *streaming) wantEnd(want string) result {
	s.t.Helper()
	r := s.want(want)
	if !r.End {
		s.t.Errorf("%s is not the end", s.lines.Bytes())
	}
	s.wantOver()
	return r
}

func (s *streaming) wantOver() {
	s.t.Helper()
	if s.lines.Scan() || s.lines.Err() != nil {
		s.t.Errorf("then came %q, %v", s.lines.Bytes(), s.lines.Err())
	}
}

// Outcomes come while the request goes on, whatever carries it.
func TestStream(t *testing.T) {
	f := newFixture(t, nil)
	f.let("some", `{"publish":["a"]}`)
	two := httptest.NewUnstartedServer(f.api)
	two.EnableHTTP2 = true
	two.StartTLS()
	defer two.Close()
	for _, row := range []struct {
		protocol string
		server   *httptest.Server
		base     int
	}{{"HTTP/1.1", f.http, 0}, {"HTTP/2.0", two, 3}} {
		t.Run(row.protocol, func(t *testing.T) {
			s := f.stream(t, row.server.Client(), row.server.URL, "some")
			if s.response.Proto != row.protocol {
				t.Fatal(s.response.Proto)
			}
			next := func(n int) string { return fmt.Sprint(row.base + n) }
			s.send(`{"channel":"a","data":1}` + "\n")
			s.want(next(1))
			s.send("\n\r\n  \n" + `{"channel":"secret","data":1}` + "\r\n" + `{"channel":"a",` + "\n" + `{"channel":"a"`)
			s.want("403 forbidden")
			if r := s.want("400 not-json"); !strings.HasPrefix(r.Error.Detail, "line 6 is not JSON") {
				t.Error(r.Error.Detail)
			}
			s.send(`,"data":2}` + "\n" + `{"channel":"a","data":"the last line has no end"}`)
			s.want(next(2))
			s.request.Close()
			s.want(next(3))
			s.wantOver()
		})
	}
	if len(f.history("secret")) > 0 || len(f.hub.Sessions()) > 0 {
		t.Error("something was published, or a session was left")
	}
}

func TestStreamOfManyKeepsTheOrder(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.StreamPendingMax = 16 })
	s := f.streamHere(t, "root")
	const n = 5000
	sent := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(s.request)
		for i := range n {
			fmt.Fprintf(w, `{"channel":"c/%d","data":%d}`+"\n", i%3, i)
		}
		w.Flush()
		sent <- s.request.Close()
	}()
	for i := range n {
		s.want(fmt.Sprint(i/3 + 1))
	}
	s.wantOver()
	if err := <-sent; err != nil {
		t.Error(err)
	}
	for c := range 3 {
		list := f.history(fmt.Sprint("c/", c))
		for j, p := range list {
			if want := fmt.Sprint((n/3-len(list)+j)*3 + c); n%3 == 0 && string(p.Data) != want {
				t.Fatalf("%s, want %s", p.Data, want)
			}
		}
	}
}

func TestStreamLines(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.BodyBytesMax = 100 << 10 })
	s := f.streamHere(t, "root")
	line := func(n int) string {
		head := `{"channel":"c","data":"`
		return head + long(n-len(head)-2) + `"}`
	}
	s.send(line(40<<10) + "\n") // longer than a buffer
	s.want("1")
	s.send(line(100<<10) + "\r\n") // as long as a line may be
	s.want("413 body-too-large")
	go io.WriteString(s.request, line(100<<10+1)+"\n"+line(100)+"\n") // whose rest nobody reads
	r := s.wantEnd("413 body-too-large")
	if !strings.HasPrefix(r.Error.Detail, "line 3 is longer than 102400 bytes") {
		t.Error(r.Error.Detail)
	}
}

func TestStreamThatIsIdle(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.StreamIdleTimeout = 50 * time.Millisecond })
	s := f.streamHere(t, "root")
	go io.WriteString(s.request, "\n"+`{"channel":"c","data":1}`) // a line that does not end is none, on a slow machine, too
	r := s.wantEnd("408 body-timeout")
	if !strings.Contains(r.Error.Detail, "within 50ms; send an empty one") {
		t.Error(r.Error.Detail)
	}
	if list := f.history("c"); len(list) > 0 {
		t.Error("half a line was published")
	}
}

func TestStreamEndsWithTheHub(t *testing.T) {
	f := newFixture(t, nil)
	s := f.streamHere(t, "root")
	s.send(`{"channel":"c","data":1}` + "\n")
	s.want("1")
	if err := f.hub.Shutdown(t.Context()); err != nil { // waits for the session of the stream
		t.Fatal(err)
	}
	s.wantEnd("503 shutting-down")
}

func TestStreamEndsWithItsToken(t *testing.T) {
	f := newFixture(t, nil)
	f.know("ann", &access.Identity{Kind: access.Token, User: "ann", Grants: access.All(), Expires: time.Now().Add(100 * time.Millisecond)})
	s := f.streamHere(t, "ann")
	s.wantEnd("401 unauthorized")

	s = f.streamHere(t, "root")
	s.send(`{"channel":"c","data":1}` + "\n")
	s.want("1")
	list := f.hub.Sessions()
	if len(list) != 1 || list[0].Transport() != "api" {
		t.Fatalf("%d sessions", len(list))
	}
	f.do("root", "DELETE", "sessions/"+list[0].ID(), "").is(204)
	s.wantEnd("403 forbidden")
}

// A stream that begins with Expect is read as others are.
func TestStreamExpectContinue(t *testing.T) {
	f := newFixture(t, nil)
	c, err := net.Dial("tcp", f.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body := `{"channel":"c","data":1}`
	fmt.Fprintf(c, "POST /api/v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer root\r\nContent-Type: application/x-ndjson\r\n"+
		"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	if line, err := r.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	io.WriteString(c, body)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(b), `{"position":`) {
		t.Errorf("%s, %v", b, err)
	}
}

// A client that goes away in the middle leaves nothing behind.
func TestStreamWhoseClientGoes(t *testing.T) {
	f := newFixture(t, nil)
	s := f.streamHere(t, "root")
	s.send(`{"channel":"c","data":1}` + "\n" + `{"channel":"c",`)
	s.want("1")
	s.response.Body.Close()
	s.request.CloseWithError(io.ErrUnexpectedEOF)
	if err := f.hub.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list := f.history("c"); len(list) != 1 {
		t.Errorf("%d were published", len(list))
	}
}

// holding is a broker that answers when it is let.
type holding struct {
	hub.Broker
	held chan func()
}

func (b *holding) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	b.held <- func() { b.Broker.Publish(m, r, to, ticket) }
}

// While outcomes are outstanding the stream is read only so far, and a batch is
// pipelined.
func TestPublicationsArePipelined(t *testing.T) {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &holding{broker, make(chan func(), 100)}
	f := newFixtureOn(t, b, nil, func(o *Options) { o.StreamPendingMax = 4 })

	s := f.streamHere(t, "root")
	go func() {
		for i := range 10 {
			fmt.Fprintf(s.request, `{"channel":"c","data":%d}`+"\n", i)
		}
		s.request.Close()
	}()
	var held []func()
	for range 4 {
		held = append(held, <-b.held)
	}
	select {
	case <-b.held:
		t.Error("more than 4 are under way")
	case <-time.After(50 * time.Millisecond): // nothing says that nothing comes
	}
	for i := range 10 {
		held[i]()
		s.want(fmt.Sprint(i + 1))
		if i < 6 {
			held = append(held, <-b.held)
		}
	}
	s.wantOver()

	answer := make(chan answered, 1)
	go func() {
		a, err := f.try("root", "POST", "batch", `{"publications":[{"channel":"d","data":1},{"channel":"d","data":2},{"channel":"e","data":3}]}`)
		if err != nil {
			a.body = err.Error()
		}
		answer <- a
	}()
	held = nil
	for range 3 { // all of them, though none has an outcome
		held = append(held, <-b.held)
	}
	for _, i := range []int{2, 0, 1} {
		held[i]()
	}
	var got struct {
		Results []result
		Failed  int
	}
	(<-answer).is(200).as(&got)
	if fmt.Sprint(got.Results) != "[1 2 1]" {
		t.Error(got.Results)
	}
}
