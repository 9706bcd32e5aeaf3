package server

import (
	"net/http"

	clientjs "github.com/godwit-io/godwit/clients/js"
	"github.com/godwit-io/godwit/server/fixed"
)

// clientFiles are the client for browsers of the program's version, by path: what a page
// imports, what one that has no modules loads, and what editors and Deno know it by.
func clientFiles(version string) map[string]*fixed.File {
	const script = "text/javascript; charset=utf-8"
	return map[string]*fixed.File{
		"/client.mjs":  fixed.New(script, clientjs.Module(version)),
		"/client.js":   fixed.New(script, clientjs.Script(version)),
		"/client.d.ts": fixed.New("application/typescript; charset=utf-8", clientjs.Types()),
	}
}

// serveClient serves the client for browsers, if r asks for it. Pages of any origin may load
// it, as there is no secret in it; what they may do is decided where it connects.
func (s *Server) serveClient(w http.ResponseWriter, r *http.Request) bool {
	file, ok := s.client[r.URL.Path]
	if !ok {
		return false
	}
	if !allowRead(w, r) {
		return true
	}
	h := w.Header()
	if r.URL.Path == "/client.mjs" {
		h.Set("X-TypeScript-Types", "./client.d.ts") // which Deno reads
	}
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	file.ServeHTTP(w, r)
	return true
}
