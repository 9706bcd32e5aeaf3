package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// hostile are messages that no good client sends. A session answers each with the
// expected error, and goes on, unless the end is expected.
var hostile = []struct {
	about, sent string
	want        []string // each is in a reply, in this order
	count       int      // of replies; 0 is as many as are wanted
}{
	{"not JSON", `hello`, []string{`{"error":{"type":"https://godwit.io/problems/bad-command"`}, 0},
	{"half an object", `{"id":1000,"ping":{}`, []string{`{"error":`}, 0},
	{"two on a line", `{"id":1001,"ping":{}} {"id":1002,"ping":{}}`, []string{`{"error":`}, 0},
	{"an array", `[{"id":1003,"ping":{}}]`, []string{`not an array`}, 0},
	{"a number", `7`, []string{`not a number`}, 0},
	{"null", `null`, []string{`not null`}, 0},
	{"a string", `"ping"`, []string{`not a string`}, 0},
	{"an id that is too large", `{"id":9007199254740992,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"an id of a hundred digits", `{"id":` + strings.Repeat("9", 100) + `,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"an id of zero", `{"id":0,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"a negative id", `{"id":-1,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"a fraction", `{"id":1.5,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"an exponent", `{"id":1e3,"ping":{}}`, []string{`id is a whole number`}, 0},
	{"a text as id", `{"id":"1","ping":{}}`, []string{`id is a whole number`}, 0},
	{"two ids", `{"id":1004,"id":1005,"ping":{}}`, []string{`{"id":1004,"error":`}, 0},
	{"two commands", `{"id":1006,"ping":{},"end":{}}`, []string{`{"id":1006,"error":`}, 0},
	{"a field twice", `{"id":1007,"publish":{"channel":"a","channel":"b","data":1}}`, []string{`publish.channel is given twice`}, 0},
	{"a field twice, once escaped", `{"id":1008,"publish":{"channel":"a","\u0063hannel":"b","data":1}}`, []string{`publish.channel is given twice`}, 0},
	{"a field that is not known", `{"id":1009,"publish":{"channel":"a","data":1,"to":"b"}}`, []string{`{"id":1009,"error":`}, 0},
	{"a command in capitals", `{"id":1010,"Ping":{}}`, []string{`there is no command`}, 0},
	{"a command that is null", `{"id":1011,"ping":null}`, []string{`ping is an object, not null`}, 0},
	{"ten thousand levels", `{"id":1012,"publish":{"channel":"deep","data":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + `}}`, []string{`{"error":`}, 0},
	{"a byte order mark", "\xef\xbb\xbf" + `{"id":1013,"ping":{}}`, []string{`{"error":`}, 0},
	{"a zero byte", "\x00", []string{`{"error":`}, 0},
	{"a zero byte in a name", `{"id":1014,"subscribe":{"channel":"a\u0000b"}}`, []string{`bad-channel-name`}, 0},
	{"a lone surrogate", `{"id":1015,"publish":{"channel":"odd","data":"\ud800"}}`, []string{`{"id":1015,"ok":{"position":`}, 0},
	{"a carriage return", "{\"id\":1016,\"ping\":{}}\r\n", []string{`{"id":1016,"ok":{}}`}, 0},
	{"empty lines", strings.Repeat("\n", 200_000), nil, 0},
	{"ten thousand commands", strings.Repeat(`{"id":1,"ping":{}}`+"\n", 10_000), []string{`{"id":1,"ok":{}}`}, 10_000},
	{"ids that descend", `{"id":20,"ping":{}}` + "\n" + `{"id":19,"ping":{}}` + "\n" + `{"id":19,"ping":{}}`, []string{`{"id":20,`, `{"id":19,`, `{"id":19,`}, 0},
	{"a second connect", `{"id":1017,"connect":{}}`, []string{`already-connected`}, 0},
	{"a call that was never given", `{"id":1018,"answer":{"call":7,"data":1}}`, []string{`unknown-call`}, 0},
	{"a call of another", `{"id":1019,"cancel":{"rpc":9007199254740991}}`, []string{`{"id":1019,"ok":{"canceled":false}}`}, 0},
}

// TestHostileFrames: each is answered, the session goes on, and so does the other one.
func TestHostileFrames(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		a, b := openSession(t, v, nil), openSession(t, v, nil)
		a.connect("")
		b.connect("")
		for i, test := range hostile {
			if err := a.conn.Write(t.Context(), ws.MessageText, []byte(test.sent)); err != nil {
				t.Fatalf("%s: %v", test.about, err)
			}
			for n := range max(test.count, len(test.want)) {
				if got, want := a.hear(""), test.want[min(n, len(test.want)-1)]; !strings.Contains(got, want) {
					t.Fatalf("%s: the answer is %s; it has no %s", test.about, got, want)
				}
			}
			for _, s := range []*speaker{a, b} {
				s.say(fmt.Sprintf(`{"id":%d,"ping":{}}`, 2000+i))
				if got := s.hear(""); got != fmt.Sprintf(`{"id":%d,"ok":{}}`, 2000+i) {
					t.Fatalf("after %s a ping is answered with %s", test.about, got)
				}
			}
		}
	})
}

// TestHostileEnds: what a session ends with, and the others do not.
func TestHostileEnds(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		other := openSession(t, v, nil)
		other.connect("")
		for _, test := range []struct {
			about    string
			isBinary bool
			sent     string
			code     ws.StatusCode
		}{
			{"a binary message", true, `{"id":2,"ping":{}}`, 1003},
			{"a message that is too long", false, strings.Repeat(" ", 1<<20), 1009},
		} {
			s := openSession(t, v, nil)
			s.connect("")
			typ := ws.MessageText
			if test.isBinary {
				typ = ws.MessageBinary
			}
			_ = s.conn.Write(t.Context(), typ, []byte(test.sent)) // the server may hang up before it is all there
			var closed *ws.CloseError
			for {
				if _, _, err := s.conn.Read(t.Context()); err != nil {
					if !asClose(err, &closed) || closed.Code != test.code {
						t.Errorf("%s ends with %v, not %d", test.about, err, test.code)
					}
					break
				}
			}
		}
		other.say(`{"id":2,"ping":{}}`)
		other.hear(`{"id":2,"ok"`)
	})
}

// TestSessionsOfOthers: without its secret a session cannot be resumed, spoken to, polled
// or ended, and the answer is the same as for a session that does not exist.
func TestSessionsOfOthers(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		a, b := openSession(t, v, nil), openSession(t, v, nil)
		a.connect("")
		b.connect("")
		id, secret, _ := strings.Cut(a.session, ".")
		_, foreign, _ := strings.Cut(b.session, ".")
		unknown := strings.Repeat("a", len(id))
		for _, method := range []string{"GET", "POST", "DELETE"} {
			var answers []string
			for _, session := range []string{
				unknown + "." + secret, id + "." + foreign, id + "." + secret[1:], id + "." + secret + "a", id + ".", id, "." + secret, ".",
			} {
				body := ""
				if method == "POST" {
					body = `{"id":5,"end":{}}`
				}
				status, content := ask(t, v, method, "?session="+session, body, http.Header{})
				answers = append(answers, fmt.Sprint(status, content))
				if status != 404 || answers[0] != answers[len(answers)-1] {
					t.Errorf("%s of %s is answered with %d %s, and of an unknown one with %s", method, session, status, content, answers[0])
				}
			}
		}
		for _, resume := range []string{id + "." + foreign, unknown + "." + secret, id + "." + secret + "a"} {
			if openSession(t, v, nil).connect(resume) {
				t.Errorf("%s was resumed", resume)
			}
		}
		a.say(`{"id":6,"ping":{}}`)
		a.hear(`{"id":6,"ok"`)
	})
}

// TestSessionRequestsOfPages: a page of another origin that is not admitted begins no
// session through a user's browser, and a preflight for an admitted page lets it name
// its session in a field.
func TestSessionRequestsOfPages(t *testing.T) {
	inVenues(t, func(t *testing.T, v *venue) {
		for _, header := range []http.Header{
			{"Origin": {"https://evil.example"}},
			{"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
			{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}},
			{"Sec-Fetch-Site": {"cross-site"}}, // an image, or a form
			{"Sec-Fetch-Site": {"same-site"}},
		} {
			for _, request := range [][3]string{
				{"GET", "?commands=%7B%22id%22:1,%22connect%22:%7B%7D%7D", ""},
				{"POST", "", `{"id":1,"connect":{}}`},
			} {
				if status, content := ask(t, v, request[0], request[1], request[2], header.Clone()); status != 403 || !strings.Contains(content, "origin-not-allowed") {
					t.Errorf("%s of a page with %v is answered with %d %s", request[0], header, status, content)
				}
			}
		}
		preflight := http.Header{"Origin": {v.url}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"godwit-session"}}
		response := request(t, v, "OPTIONS", ConnectPath, "", preflight)
		response.Body.Close()
		if response.StatusCode != 204 || !strings.Contains(response.Header.Get("Access-Control-Allow-Headers"), "godwit-session") ||
			!strings.Contains(response.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
			t.Errorf("a preflight is answered with %s %v", response.Status, response.Header)
		}
	})
}

// TestHostileRequests: the fault of a request is named, and the session that it names
// goes on.
func TestHostileRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for timeouts")
	}
	inVenues(t, func(t *testing.T, v *venue) {
		if v.dial != nil {
			t.Skip("net/http and a wire in memory wait for each other over a body that is refused")
		}
		_, content := ask(t, v, "POST", "", `{"id":1,"connect":{}}`, http.Header{"Prefer": {"wait=10"}})
		var page struct{ Messages []json.RawMessage }
		if err := json.Unmarshal([]byte(content), &page); err != nil || len(page.Messages) == 0 {
			t.Fatalf("%v in %s", err, content)
		}
		session := sessionOf(t, string(page.Messages[0]))
		for _, test := range []struct {
			about, method, query, body string
			want                       int
		}{
			{"an acknowledgement that is no number", "GET", "?session=" + session + "&ack=-1", "", 400},
			{"a session twice", "GET", "?session=" + session + "&session=" + session, "", 400},
			{"a body that is too long", "POST", "?session=" + session, strings.Repeat(" ", 1<<20), 413},
			{"a method that there is none of", "PUT", "?session=" + session, "", 405},
			{"nothing at all", "GET", "", "", 400},
			{"a DELETE of nothing", "DELETE", "", "", 400},
			{"an acknowledgement of what was not sent", "GET", "?session=" + session + "&ack=18446744073709551615", "", 200},
			{"an old acknowledgement", "GET", "?session=" + session + "&ack=0", "", 200},
		} {
			if status, content := ask(t, v, test.method, test.query, test.body, http.Header{}); status != test.want {
				t.Errorf("%s is answered with %d %s, not %d", test.about, status, content, test.want)
			}
		}
		// Commands for a session that nobody polls are bounded, and the rest of it goes on.
		long := `{"id":2,"ping":{}}` + strings.Repeat(" ", 200<<10)
		refused := false
		for range 8 {
			status, _ := ask(t, v, "POST", "?session="+session, long, http.Header{})
			refused = refused || status == 429
		}
		if !refused {
			t.Error("a session that nobody polls takes commands without a bound")
		}
		deadline, acknowledged := time.Now().Add(patience), 0
		for {
			status, content := ask(t, v, "GET", fmt.Sprintf("?session=%s&ack=%d", session, acknowledged), "", http.Header{"Prefer": {"wait=10"}})
			if strings.Contains(content, `{"id":2,"ok":{}}`) {
				break
			}
			var page struct{ Poll int }
			if err := json.Unmarshal([]byte(content), &page); err != nil || time.Now().After(deadline) {
				t.Fatalf("the replies do not come: %d %s", status, content)
			}
			acknowledged = page.Poll
		}
		if status, _ := ask(t, v, "DELETE", "?session="+session, "", http.Header{}); status != 204 {
			t.Errorf("DELETE is answered with %d", status)
		}
	})
}

// ask makes a request for sessions.
func ask(t *testing.T, v *venue, method, query, body string, header http.Header) (status int, content string) {
	t.Helper()
	response := request(t, v, method, ConnectPath+query, body, header)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}
