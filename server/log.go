package server

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
)

// levelOf is the level below which nothing is logged.
func levelOf(l Log) (level slog.Level) {
	_ = level.UnmarshalText([]byte(l.Level)) // normalize has checked it
	return level
}

func newLogger(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// requestIDBytesMax is how long an ID given by a proxy may be.
const requestIDBytesMax = 64

// requestID is the ID that a proxy in front gave to r, or else a new one. It is
// asked for only when something is logged.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > requestIDBytesMax {
		id = rand.Text()
		r.Header.Set("X-Request-Id", id) // the same for the next caller
		return id
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			id = rand.Text()
			r.Header.Set("X-Request-Id", id)
			break
		}
	}
	return id
}

// Logger is what the server logs to.
func (s *Server) Logger() *slog.Logger { return s.log }
