package server

import (
	"net/http"
	"strings"
	"testing"
)

// The client for browsers is served in the server's version, to pages of any origin.
func TestClientFiles(t *testing.T) {
	s := start(t, Config{})
	for path, contains := range map[string]string{"/client.mjs": "export{", "/client.js": "var godwit=", "/client.d.ts": "declare class Godwit<"} {
		a := s.do(t, "GET", path, "")
		contentType, types := "text/javascript; charset=utf-8", ""
		switch path {
		case "/client.mjs":
			types = "./client.d.ts"
		case "/client.d.ts":
			contentType = "application/typescript; charset=utf-8"
		}
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != contentType || a.Header.Get("X-TypeScript-Types") != types ||
			a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("GET %s: %s, %v", path, a.Status, a.Header)
		}
		if !strings.Contains(a.body, contains) || path != "/client.d.ts" && !strings.Contains(a.body, `"`+ThisBuild().Version+`"`) {
			t.Errorf("GET %s lacks %q or the version %q", path, contains, ThisBuild().Version)
		}
		etag := a.Header.Get("ETag")
		if a = s.do(t, "GET", path, "", "If-None-Match", etag); a.StatusCode != http.StatusNotModified || a.body != "" || etag == "" {
			t.Errorf("GET %s with its ETag %s: %s", path, etag, a.Status)
		}
		if a = s.do(t, "HEAD", path, ""); a.StatusCode != http.StatusOK || a.body != "" {
			t.Errorf("HEAD %s: %s", path, a.Status)
		}
		if a = s.do(t, "POST", path, ""); a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %s", path, a.Status)
		}
	}
}
