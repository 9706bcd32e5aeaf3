// Package redact shows URLs without the secrets in them, for errors, logs and
// reports, which others get to read.
package redact
