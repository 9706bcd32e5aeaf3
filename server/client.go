package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	clientjs "github.com/godwit-io/godwit/clients/js"
)

// clientFile is the client for browsers in one of its forms, ready to be served.
type clientFile struct {
	content     []byte
	contentType string
	etag        string
	types       string // where the declarations of a module are, for what asks for them
}

// clientFiles are the client for browsers of the program's version, by path: what a page
// imports, what one that has no modules loads, and what editors and Deno know it by.
func clientFiles(version string) map[string]clientFile {
	const script = "text/javascript; charset=utf-8"
	files := map[string]clientFile{
		"/client.mjs":  {content: clientjs.Module(version), contentType: script, types: "./client.d.ts"},
		"/client.js":   {content: clientjs.Script(version), contentType: script},
		"/client.d.ts": {content: clientjs.Types(), contentType: "application/typescript; charset=utf-8"},
	}
	for path, file := range files {
		sum := sha256.Sum256(file.content)
		file.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		files[path] = file
	}
	return files
}

// serveClient serves the client for browsers, if r asks for it. Pages of any origin may load
// it, as there is no secret in it; what they may do is decided where it connects. It is asked
// for anew each time, and sent if it is another: a page never has that of an older server.
func (s *Server) serveClient(w http.ResponseWriter, r *http.Request) bool {
	file, ok := s.client[r.URL.Path]
	if !ok {
		return false
	}
	if !allowRead(w, r) {
		return true
	}
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	if file.types != "" {
		h.Set("X-TypeScript-Types", file.types)
	}
	h.Set("ETag", file.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	return true
}
