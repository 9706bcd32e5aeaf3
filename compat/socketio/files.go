package socketio

import (
	"net/http"
	"os"
	"regexp"
	"strings"

	"github.com/godwit-io/godwit/transport"
)

// files are the files of the client, which many pages load from the server.
type files struct {
	prefix string // the path of Engine.IO, with its last slash
	root   *os.Root
}

// fileName is the name of a file of the client: socket.io.js, socket.io.min.js,
// socket.io.esm.min.js.map.
var fileName = regexp.MustCompile(`^socket\.io(\.[a-z0-9]+)*\.js(\.map)?$`)

// newFiles serves a directory below path, or says that there is none if it is "". The
// error is an *OptionError.
func newFiles(path, dir string) (*files, error) {
	f := &files{prefix: strings.TrimSuffix(path, "/") + "/"}
	if dir == "" {
		return f, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &OptionError{Option: "ClientDir", Reason: err.Error()}
	}
	f.root = root
	return f, nil
}

// serves reports whether a path is the path of a file of the client, which may not be there.
func (f *files) serves(path string) bool {
	name, ok := strings.CutPrefix(path, f.prefix)
	return ok && fileName.MatchString(name)
}

// ServeHTTP serves a file.
func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.EscapedPath()[len(f.prefix):]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		transport.ProblemMethod.Write(w, "a file of the client is only read; use GET")
		return
	case f.root == nil:
		transport.ProblemNotFound.Write(w, "the client of Socket.IO is not served here: load it from your own site or from a package registry, or name a directory that has "+name+
			" in the configuration (socketio.client_dir)")
		return
	}
	if _, err := f.root.Stat(name); err != nil {
		transport.ProblemNotFound.Write(w, "the directory of socketio.client_dir has no file "+name)
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // it is asked for again, and mostly not modified
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, f.root.FS(), name)
}

// close gives the directory back.
func (f *files) close() {
	if f.root != nil {
		_ = f.root.Close()
	}
}
