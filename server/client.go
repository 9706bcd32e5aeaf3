package server

import (
	"net/http"

	clientjs "github.com/godwit-io/godwit/clients/js"
	"github.com/godwit-io/godwit/server/fixed"
)

// clientFiles are the client for browsers of the program's version, by path: what a page
// imports, and what one that has no modules loads.
func clientFiles(version string) map[string]*fixed.File {
	files := map[string]*fixed.File{}
	for path, content := range map[string][]byte{"/client.mjs": clientjs.Module(version), "/client.js": clientjs.Script(version)} {
		files[path] = fixed.New("text/javascript; charset=utf-8", content)
	}
	return files
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
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	file.ServeHTTP(w, r)
	return true
}
