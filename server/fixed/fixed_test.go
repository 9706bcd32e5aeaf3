package fixed

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

var (
	long  = []byte(strings.Repeat("A channel is a URL. ", 200))
	short = []byte("short")
)

func get(t *testing.T, f *File, method string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func TestEncoding(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   bool
	}{
		{"", false}, {"gzip", true}, {"br, GZIP", true}, {"gzip;q=0.5", true}, {"deflate, gzip ; q=1.0", true},
		{"gzip;q=0", false}, {"gzip;q=0.000", false}, {"gzip; Q=0", false}, {"identity", false}, {"x-gzip", false}, {"gzip;q=no", false}, {"*", false},
	} {
		res, body := get(t, New("text/plain", long), "GET", "Accept-Encoding", c.accept)
		if res.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: a cache may give it to everybody", c.accept)
		}
		if got := res.Header.Get("Content-Length"); got != strconv.Itoa(len(body)) {
			t.Errorf("%q: Content-Length %q for %d bytes", c.accept, got, len(body))
		}
		if got := res.Header.Get("Content-Encoding") == "gzip"; got != c.want {
			t.Errorf("%q: compressed %v, want %v", c.accept, got, c.want)
		}
		if c.want {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(body, long) {
			t.Errorf("%q: %d bytes of another content", c.accept, len(body))
		}
	}
	if res, body := get(t, New("text/plain", short), "GET", "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "" || string(body) != "short" {
		t.Errorf("five bytes were compressed: %q", body)
	}
}

// Both forms are revalidated, each with its own tag, and HEAD is GET without the body.
func TestRevalidation(t *testing.T) {
	f := New("text/css; charset=utf-8", long)
	tags := map[string]bool{}
	for _, accept := range []string{"", "gzip"} {
		first, _ := get(t, f, "GET", "Accept-Encoding", accept)
		tag := first.Header.Get("ETag")
		tags[tag] = true
		for _, condition := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			res, body := get(t, f, "GET", "Accept-Encoding", accept, "If-None-Match", condition)
			if res.StatusCode != http.StatusNotModified || len(body) != 0 || res.Header.Get("ETag") != tag {
				t.Errorf("%q with %s: %d, %d bytes, ETag %s", accept, condition, res.StatusCode, len(body), res.Header.Get("ETag"))
			}
		}
		if res, _ := get(t, f, "GET", "Accept-Encoding", accept, "If-None-Match", `"other"`); res.StatusCode != http.StatusOK {
			t.Errorf("%q with another tag: %d", accept, res.StatusCode)
		}
		head, body := get(t, f, "HEAD", "Accept-Encoding", accept)
		if len(body) != 0 {
			t.Errorf("HEAD has %d bytes", len(body))
		}
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding", "ETag", "Cache-Control", "Vary"} {
			if got, want := head.Header.Get(name), first.Header.Get(name); got != want {
				t.Errorf("HEAD: %s %q, GET %q", name, got, want)
			}
		}
		if first.Header.Get("Cache-Control") != "no-cache" || first.Header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("header %v", first.Header)
		}
	}
	if len(tags) != 2 || tags[`"`+New("", short).etag+`"`] {
		t.Errorf("tags are shared: %v", tags)
	}
}

// A range is one of the bytes that the answer has.
func TestRange(t *testing.T) {
	f := New("text/plain", long)
	for accept, want := range map[string][]byte{"": long, "gzip": f.compressed()} {
		res, body := get(t, f, "GET", "Accept-Encoding", accept, "Range", "bytes=2-5")
		if res.StatusCode != http.StatusPartialContent || !bytes.Equal(body, want[2:6]) || res.Header.Get("Content-Length") != "4" {
			t.Errorf("%q: %d %q %v", accept, res.StatusCode, body, res.Header)
		}
	}
}
