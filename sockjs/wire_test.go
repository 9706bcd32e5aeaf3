package sockjs_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws/handshake"
)

// TestWire plays the files of testdata: what goes over the wire for each request, header by
// header and chunk by chunk, on both drivers. A request is lines that begin with "> ", the
// last of them ">> CONTENT" if it has some; behind it is the response. "= NAME" begins a new
// server: one of services.
func TestWire(t *testing.T) {
	golden.Play(t, "testdata/*.txt", func(t *testing.T, text string) string {
		got := map[string]string{}
		for _, driver := range []string{"loops", "goroutines"} {
			t.Run(driver, func(t *testing.T) { got[driver] = playWire(t, driver, text) })
		}
		if difference := golden.Difference(got["goroutines"], got["loops"]); difference != "" {
			t.Errorf("on loops it is another one than on goroutines\n%s", difference)
		}
		return got["goroutines"]
	})
}

// goAway closes sessions at once.
type goAway struct{ sockjs.NopHandler }

func (goAway) OnOpen(s *sockjs.Session) { s.Close(3000, "Go away!") }

// services are what the dialogues are with.
var services = map[string]func(t *testing.T) (sockjs.Handler, *sockjs.Options){
	"everything": func(t *testing.T) (sockjs.Handler, *sockjs.Options) {
		return echo{}, &sockjs.Options{Origins: anyone(t), Transports: sockjs.AllTransports(), SockJSURL: "https://example.com/sockjs.js", ResponseLimit: 30}
	},
	"default": func(*testing.T) (sockjs.Handler, *sockjs.Options) { return echo{}, nil },
	"cookie": func(t *testing.T) (sockjs.Handler, *sockjs.Options) {
		return echo{}, &sockjs.Options{SetsCookie: true, Transports: sockjs.AllTransports(), Origins: anyone(t)}
	},
	"close": func(t *testing.T) (sockjs.Handler, *sockjs.Options) {
		return goAway{}, &sockjs.Options{Transports: sockjs.AllTransports(), Origins: anyone(t)}
	},
	"friends": func(t *testing.T) (sockjs.Handler, *sockjs.Options) {
		o, err := handshake.ParseOrigins([]string{"https://friend.example"})
		if err != nil {
			t.Fatal(err)
		}
		return echo{}, &sockjs.Options{Origins: o, Transports: sockjs.AllTransports(), SockJSURL: "/sockjs.js"}
	},
	"no WebSocket": func(*testing.T) (sockjs.Handler, *sockjs.Options) {
		return echo{}, &sockjs.Options{Transports: []sockjs.Transport{sockjs.XHRPolling}, ClientBase: "https://other.example/echo"}
	},
	"small": func(*testing.T) (sockjs.Handler, *sockjs.Options) {
		return echo{}, &sockjs.Options{MessageBytesMax: 5, BodyBytesMax: 20, SessionsMax: 1}
	},
}

func playWire(t *testing.T, driver, input string) string {
	var out strings.Builder
	var s *site
	var request []string
	flush := func() {
		if len(request) > 0 {
			s.exchange(&out, request)
			request = nil
		}
	}
	for line := range strings.Lines(input) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">"):
			fmt.Fprintln(&out, line)
			request = append(request, line)
			continue
		case strings.HasPrefix(line, "= "):
			flush()
			h, o := services[line[2:]](t)
			s = newSite(t, driver, h, o)
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "#"), line == "":
			flush()
			fmt.Fprintln(&out, line)
		default:
			flush()
		}
	}
	flush()
	return out.String()
}

// changing are the parts of a response that differ each time.
var changing = regexp.MustCompile(`(Expires: )[^\r\n]+|(entropy\\":)\d+`)

var lengthOf = regexp.MustCompile(`Content-Length: \d+`)

// exchange makes a request over a connection of its own and shows the response, which must
// end by itself.
func (s *site) exchange(out *strings.Builder, lines []string) {
	c, err := net.Dial("tcp", s.host)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	head, body := "", ""
	for i, line := range lines {
		if text, ok := strings.CutPrefix(line, ">> "); ok {
			body = text
			continue
		}
		line = strings.TrimPrefix(line, "> ")
		if i == 0 {
			method, path, _ := strings.Cut(line, " ")
			line = method + " /echo" + path + " HTTP/1.1\r\nHost: " + s.host
		}
		head += strings.ReplaceAll(line, "SELF", "http://"+s.host) + "\r\n"
	}
	if body != "" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"+body); err != nil {
		s.t.Fatal(err)
	}
	r := bufio.NewReader(c)
	method, _, _ := strings.Cut(lines[0][2:], " ")
	showResponse(s.t, out, r, method == "HEAD", s.host)
}

func showResponse(t testing.TB, out *strings.Builder, r *bufio.Reader, headOnly bool, host string) {
	in := textproto.NewReader(r)
	status, err := in.ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := in.ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	fmt.Fprintln(&text, strings.TrimPrefix(status, "HTTP/1.1 "))
	var names []string
	for name := range fields {
		if name != "Date" && name != "Connection" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range fields[name] {
			fmt.Fprintf(&text, "%s: %s\n", name, value)
		}
	}
	code, _ := strconv.Atoi(status[9:12])
	switch {
	case headOnly || code == http.StatusNoContent || code == http.StatusNotModified:
	case fields.Get("Transfer-Encoding") == "chunked":
		for {
			line, err := in.ReadLine()
			n, _ := strconv.ParseInt(line, 16, 32)
			chunk := make([]byte, n+2)
			if err == nil {
				_, err = io.ReadFull(r, chunk)
			}
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				text.WriteString("(end)\n")
				break
			}
			fmt.Fprintf(&text, "(chunk) %s\n", shown(chunk[:n]))
		}
	default:
		n, err := strconv.Atoi(fields.Get("Content-Length"))
		if err != nil {
			t.Fatalf("%s: no length", status)
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			fmt.Fprintln(&text, shown(body))
		}
	}
	if strings.Contains(text.String(), "entropy") { // some are shorter
		short := lengthOf.ReplaceAllString(text.String(), "Content-Length: …")
		text.Reset()
		text.WriteString(short)
	}
	out.WriteString(strings.ReplaceAll(changing.ReplaceAllString(text.String(), "${1}${2}…"), "http://"+host, "SELF"))
}

func shown(b []byte) string {
	text := string(b)
	text = strings.ReplaceAll(text, strings.Repeat("h", 2048), "(2048 h)")
	if strings.HasPrefix(text, "<!doctype") {
		return fmt.Sprintf("(page of %d bytes)", len(text))
	}
	return strconv.Quote(text)
}
