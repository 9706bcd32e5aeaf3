// Package wrongscheme recognises what comes back when one side speaks TLS and the
// other does not.
package wrongscheme
