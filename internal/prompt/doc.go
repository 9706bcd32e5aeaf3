// Package prompt reads lines from a person while what arrives is printed above
// them.
package prompt
