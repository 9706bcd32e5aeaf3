// Package gallery has all examples, and serves them as pages.
package gallery
