// Package pubcodec is publications, and what they are made of, as bytes between processes of one machine.
//
// Numbers are varints, texts and payloads have their length before them, and rare fields
// have a bit in a byte of flags, or above the kind, as the shape:
//
//	┌────────┬──────────┬──────┬──────┬───────┬──────────┬───────────┬───────────────┐
//	│ offset │ previous │ time │ kind │ flags │ payload  │ publisher │ attributes …  │
//	└────────┴──────────┴──────┴──────┴───────┴──────────┴───────────┴───────────────┘
//
// What contains it says how long it is, and has a version.
package pubcodec
