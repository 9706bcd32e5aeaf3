// Package report writes a measurement as text, JSON or a self-contained page.
package report
