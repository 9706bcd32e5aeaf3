// Package app has the tenants of a server: the applications whose keys Pusher and
// PieSocket clients show, and the part of the channels that is each one's own.
//
//	key ──► App ──► Prefix ──► channels and users
//	         └────► limits and counts
package app
