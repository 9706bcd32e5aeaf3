// Package spoken is godwit.v1 as a person speaks it: words for commands, sentences
// for what comes back.
package spoken
