package sockjs

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/httpcarrier"
)

func TestSplitPath(t *testing.T) {
	for path, want := range map[string][2]string{
		"":                             {"", ""},
		"/":                            {"", "/"},
		"/info":                        {"", "/info"},
		"/a":                           {"/a", ""},
		"/a/":                          {"/a", "/"},
		"/a/b/c":                       {"/a/b/c", ""},
		"/a/b/info":                    {"/a/b", "/info"},
		"/a/websocket":                 {"/a", "/websocket"},
		"/a/iframe.html":               {"/a", "/iframe.html"},
		"/a/iframe-1.6.1.html":         {"/a", "/iframe-1.6.1.html"},
		"/a/iframe1.html":              {"/a/iframe1.html", ""},
		"/0/s/xhr":                     {"", "/0/s/xhr"},
		"/a/b/0/s/xhr":                 {"/a/b", "/0/s/xhr"},
		"/a/0/s/websocket":             {"/a", "/0/s/websocket"},
		"/a/0/%2e/xhr_streaming":       {"/a", "/0/%2e/xhr_streaming"},
		"/s/xhr":                       {"/s/xhr", ""},
		"/a/0./s/xhr":                  {"/a/0./s/xhr", ""},
		"/a/0/s./xhr":                  {"/a/0/s./xhr", ""},
		"/a//s/xhr":                    {"/a//s/xhr", ""},
		"/a/0//xhr":                    {"/a/0//xhr", ""},
		"/a/0//websocket":              {"/a/0/", "/websocket"},
		"/pusher/app/key/1/x/xhr_send": {"/pusher/app/key", "/1/x/xhr_send"},
		"x":                            {"x", ""},
	} {
		if base, rest := SplitPath(path); base != want[0] || rest != want[1] {
			t.Errorf("%q: %q %q, want %q", path, base, rest, want)
		}
	}
}

// A session is known by its name until it has ended.
func TestSessionOf(t *testing.T) {
	s, err := New(NopHandler{}, &Options{Base: "/a", Transports: AllTransports()})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/a", "/a/", "/a/info", "/a/websocket", "/a/0/s/websocket", "/a/0/s/other", "/a/0./s/xhr", "/b/0/s/xhr", "/a/iframe.html"} {
		if name, isHere := s.SessionOf(path); name != "" || isHere {
			t.Errorf("%q is of %q, %t", path, name, isHere)
		}
	}
	name, isHere := s.SessionOf("/a/0/s/xhr")
	if name == "" || isHere || s.Has(name) {
		t.Fatalf("%q, %t", name, isHere)
	}
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/a/0/s/xhr", nil))
	for _, path := range []string{"/a/0/s/xhr", "/a/1/s/xhr_send", "/a/2/s/eventsource", "/a/0/s/jsonp_send"} {
		if got, isHere := s.SessionOf(path); got != name || !isHere || !s.Has(name) {
			t.Errorf("%q is of %q, %t", path, got, isHere)
		}
	}
	if other, isHere := s.SessionOf("/a/0/t/xhr"); other == name || isHere {
		t.Errorf("another one is %q, %t", other, isHere)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s.Has(name) {
		t.Error("it has ended, and is there")
	}
}

// FuzzServe asks a Server anything. What SplitPath finds is what the Server serves.
func FuzzServe(f *testing.F) {
	for _, seed := range [][2]string{{"GET", "/a/info"}, {"POST", "/a/0/s/xhr"}, {"GET", "/a/0/s/jsonp?c=x"}, {"OPTIONS", "/a/0/s/xhr_send"}, {"GET", "/websocket"}, {"GET", "/a/iframe-.html"}} {
		f.Add(seed[0], seed[1], `["x"]`)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		path, query, _ := strings.Cut(target, "?")
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(target, " \r\n\t#") {
			return
		}
		base, rest := SplitPath(path)
		if base+rest != path || rest != "" && rest[0] != '/' {
			t.Fatalf("%q is %q and %q", path, base, rest)
		}
		if _, rest2 := SplitPath("/base" + rest); rest2 != rest {
			t.Fatalf("%q is %q below another base", rest, rest2)
		}
		s, err := New(NopHandler{}, &Options{Transports: AllTransports(), SockJSURL: "/x.js", Match: func(path string) (string, string, bool) {
			base, rest := SplitPath(path)
			return base, rest, true
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.URL.RawQuery = method, path, query
		route := s.route(httpcarrier.OfHTTP(r), base, rest)
		if route.Responder == nil {
			t.Fatal("nobody answers")
		}
		for name, p := range s.sessions {
			if key, ok := strings.CutPrefix(name, base+"\x00"); !ok || !isSegment(key) || p.receiver == nil {
				t.Fatalf("%q began %q", target, name)
			}
			route.Responder.OnEnd(nil, nil)
		}
	})
}

func TestTruncated(t *testing.T) {
	for most, want := range []string{"", "a", "a", "aé", "aé", "aé", "aé♥", "aé♥"} {
		if got := truncated("aé♥", most); got != want {
			t.Errorf("%d: %q, want %q", most, got, want)
		}
	}
}

func TestOriginOf(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.example/b?c#d": "https://a.example", "http://a:1": "http://a:1", "https://a?b": "https://a", "": "", "a": "", "about:blank": "",
	} {
		if got := originOf(url); got != want {
			t.Errorf("%q: %q", url, got)
		}
	}
}
