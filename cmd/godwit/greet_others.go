package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/server"
)

// greetOthers says where clients of other protocols connect, and the key for development.
func greetOthers(w io.Writer, s *server.Server) {
	if _, isFile := s.Addr().(*net.UnixAddr); isFile {
		return
	}
	others := s.Others()
	if len(others) == 0 {
		return
	}
	secure := ""
	if s.IsSecure() {
		secure = "s"
	}
	fmt.Fprintln(w, "Clients of other protocols find the same channels:")
	width := 0
	for _, o := range others {
		width = max(width, len(o.Name))
	}
	for _, o := range others {
		fmt.Fprintf(w, "  %s%s  %s%s://%s%s\n", o.Name, strings.Repeat(" ", width-len(o.Name)), o.Scheme, secure, address(s.Addr()), o.Path)
	}
	if s.DevelopmentApp() && slices.ContainsFunc(others, func(o server.Other) bool { return o.NeedsApp }) {
		fmt.Fprintf(w, "The app for development has the ID %s, the key %s and the secret %s.\n", server.DevelopmentAppID, server.DevelopmentAppKey, server.DevelopmentAppSecret)
	}
	fmt.Fprintln(w)
}
