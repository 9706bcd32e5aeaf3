// Package certs has the certificates that a server shows: from files that may change
// while it runs, or from an authority that is asked by ACME.
package certs
