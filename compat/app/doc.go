// Package app has the tenants of a server: the applications whose keys Pusher and
// PieSocket clients show, and each one's own part of the channels.
//
//	key ──► App ──► Prefix ──► channels and users
//	         └────► limits and counts
package app
