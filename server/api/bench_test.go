package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// quiet is a response that nobody reads.
type quiet struct {
	header http.Header
	status int
}

func (w *quiet) Header() http.Header         { return w.header }
func (w *quiet) Write(p []byte) (int, error) { return len(p), nil }
func (w *quiet) WriteHeader(status int)      { w.status = status }

func benchmark(b *testing.B, path, body, contentType string, want int) {
	f := newFixture(b, nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := httptest.NewRequest("POST", Prefix+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer root")
		r.Header.Set("Content-Type", contentType)
		w := &quiet{header: http.Header{}}
		if f.api.ServeHTTP(w, r); w.status != want {
			b.Fatal(w.status)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	benchmark(b, "publish", `{"channel":"scores/final","data":{"home":1,"away":0},"event":"goal"}`, jsonType, 201)
}

func BenchmarkBatch(b *testing.B) {
	for _, n := range []int{10, 1000} {
		one := strings.Repeat(`,{"channel":"scores/final","data":{"home":1,"away":0},"event":"goal"}`, n)[1:]
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmark(b, "batch", `{"publications":[`+one+`]}`, jsonType, 200) })
	}
}

func BenchmarkStream(b *testing.B) {
	lines := strings.Repeat(`{"channel":"scores/final","data":{"home":1,"away":0},"event":"goal"}`+"\n", 1000)
	benchmark(b, "batch", lines, linesType, 200)
}
