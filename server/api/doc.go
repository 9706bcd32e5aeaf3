// Package api is the server API for back ends: /api/v1, its description, and a page to read that on.
//
// Back ends publish, alone, in batches and in streams, list channels and sessions,
// end sessions, clear histories, revoke tokens, and ask why something is allowed or
// not. What a caller sees and may do is decided channel by channel with package
// access; docs/api.md has the table.
//
// The package is an http.Handler around a hub. Identifying callers is somebody else's
// business, see Options.Identify.
package api
