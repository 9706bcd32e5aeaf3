// Package waittest lets tests that wait, and hardly compute, wait beside one another.
package waittest
