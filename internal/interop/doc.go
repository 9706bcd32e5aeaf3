// Package interop tests Godwit against WebSocket programs that others wrote.
//
// There is no code to import: everything is in its tests. docs/interoperability.md
// says what is tested, and with which versions.
package interop
