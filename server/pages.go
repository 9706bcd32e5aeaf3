package server

import (
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/server/docsite"
	"github.com/godwit-io/godwit/server/fixed"
	"github.com/godwit-io/godwit/server/welcome"
)

// pages are what a browser is shown and given, in the version of the program.
type pages struct {
	welcome http.Handler
	docs    http.Handler
	client  map[string]*fixed.File // the client for browsers, by path
}

func (s *Server) newPages() pages {
	b := ThisBuild()
	return pages{
		welcome: welcome.Handler(b.Version, b.Source(), s.hasGallery),
		docs:    docsite.Handler(b.Version, b.Source()),
		client:  clientFiles(b.Version),
	}
}

// servePage serves what r asks for, if it is one of the pages or what they load.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request) bool {
	at := r.URL.Path
	switch {
	case at == "/" || strings.HasPrefix(at, "/welcome/"):
		s.welcome.ServeHTTP(w, r)
	case at+"/" == docsite.Prefix || strings.HasPrefix(at, docsite.Prefix):
		s.docs.ServeHTTP(w, r)
	case s.hasGallery() && (at == "/examples" || strings.HasPrefix(at, "/examples/")):
		s.config.Gallery.ServeHTTP(w, r)
	default:
		return s.serveClient(w, r)
	}
	return true
}

// hasGallery reports whether the examples are served.
func (s *Server) hasGallery() bool { return s.config.Gallery != nil && s.Demo() }
