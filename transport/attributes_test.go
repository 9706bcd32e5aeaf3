package transport

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestPublicationsHaveAttributes(t *testing.T) {
	s := newSite(t, siteOptions{})
	events := s.open("/channels/chat", fields{"Accept", "text/event-stream"})
	for _, row := range []struct {
		path   string
		header fields
		status int
		detail string
	}{
		{"/channels/chat?event=joke&key=k%2F1", nil, http.StatusCreated, ""},
		{"/channels/chat", fields{"Godwit-Event", "news", "Godwit-Key", "k"}, http.StatusCreated, ""},
		{"/channels/chat", fields{"Godwit-Event", "raw", "Content-Type", "application/octet-stream"}, http.StatusCreated, ""},
		{"/channels/chat?event=a", fields{"Godwit-Event", "a"}, http.StatusBadRequest, "the event is given more than once"},
		{"/channels/chat?event=%zz", nil, http.StatusBadRequest, "the value of event cannot be decoded"},
		{"/channels/chat?event=gap", nil, http.StatusBadRequest, "is a name that the server uses itself"},
		{"/channels/chat?key=%0A", nil, http.StatusBadRequest, "control character U+000A"},
		{"/channels/chat?event=" + strings.Repeat("e", 256), nil, http.StatusBadRequest, "256 bytes long"},
	} {
		response, content := s.do("POST", row.path, append(row.header, "X", "y"), "x")
		if response.StatusCode != row.status || !strings.Contains(content, row.detail) {
			t.Errorf("POST %s %q: %s %s, want %d %q", row.path, row.header, response.Status, content, row.status, row.detail)
		}
	}
	page, err := s.hub.History(t.Context(), "chat", hub.Query{})
	if err != nil || len(page.Publications) != 3 {
		t.Fatal(page.Publications, err)
	}
	if got := *page.Publications[0].Attributes; got != (hub.Attributes{Event: "joke", Key: "k/1"}) {
		t.Errorf("attributes are %+v", got)
	}
	_, content := s.do("GET", "/channels/chat", nil, "")
	if !strings.Contains(content, `,"event":"joke","key":"k/1","data":"x"}`) || !strings.Contains(content, `,"event":"raw","data_base64":"eA=="}`) {
		t.Errorf("the page is %s", content)
	}
	got := make([]byte, 0, 1024)
	for !strings.HasSuffix(string(got), "event: raw\ndata: eA==\n\n") {
		part := make([]byte, 1024)
		n, err := events.Body.Read(part)
		if got = append(got, part[:n]...); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	for _, want := range []string{"event: joke\ndata: x\n\n", "event: news\ndata: x\n\n"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the events are %q, without %q", got, want)
		}
	}
}

// What a publication belongs to is kept if it is recorded, and is nothing that
// subscribers see or that anybody is refused for.
func TestPublicationsHaveATrace(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0"
	s := newSite(t, siteOptions{})
	for _, row := range []struct{ field, want string }{
		{trace + "1", trace + "1"}, {"01" + trace[2:] + "3-more", trace + "1"}, {trace + "0", ""}, {"00-nonsense", ""}, {"", ""},
	} {
		response, content := s.do("POST", "/channels/traced", fields{"Traceparent", row.field}, "x")
		if response.StatusCode != http.StatusCreated {
			t.Fatalf("%q: %s %s", row.field, response.Status, content)
		}
		page, err := s.hub.History(t.Context(), "traced", hub.Query{Last: 1})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if a := page.Publications[0].Attributes; a != nil {
			got = a.Trace
		}
		if got != row.want {
			t.Errorf("with %q the trace is %q, want %q", row.field, got, row.want)
		}
	}
	if _, content := s.do("GET", "/channels/traced", nil, ""); strings.Contains(content, trace[3:35]) {
		t.Errorf("a subscriber sees the trace: %s", content)
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("event=a&key=b", "event")
	f.Add("a%zz=1&event=%zz", "event")
	f.Fuzz(func(t *testing.T, raw, name string) {
		values, err := parameters(raw, name)
		parsed, whole := url.ParseQuery(strings.ReplaceAll(raw, ";", "%3B"))
		if whole == nil && (err != nil || strings.Join(values, "\x00") != strings.Join(parsed[name], "\x00")) {
			if name == "" {
				return // url.ParseQuery leaves out empty parameters
			}
			t.Fatalf("%q has %q, %v; want %q", raw, values, err, parsed[name])
		}
	})
}
