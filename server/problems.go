package server

import (
	"net/http"

	"github.com/godwit-io/godwit/transport"
)

// The problems of the product itself; those of channels are transport's.
var (
	problemHost = &transport.Problem{
		Name: "unknown-host", Status: http.StatusMisdirectedRequest, Title: "Unknown host",
		Remedy: "Use a name of this machine (`localhost`, `127.0.0.1`, `[::1]`), or list the name in the server's origins.",
	}
	problemInternal = &transport.Problem{
		Name: "internal-error", Status: http.StatusInternalServerError, Title: "Internal error",
		Remedy: "Nothing you did: report it with the request's ID from the detail, which the server has logged.",
	}
	problemConnections = &transport.Problem{
		Name: "too-many-connections", Status: http.StatusServiceUnavailable, Title: "Too many connections",
		Remedy: "Try again after the seconds in Retry-After, or raise the server's `limits.connections`.",
	}
)

// Problems returns the problems that only the product has, for documents.
func Problems() []*transport.Problem {
	return []*transport.Problem{problemHost, problemInternal, problemConnections}
}
