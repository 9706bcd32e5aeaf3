//go:build !purego

package wire

import "golang.org/x/sys/cpu"

// hasAVX2 says whether the assembly of this package is used: the processor has
// AVX2 and the system saves its registers. The race detector cannot see into
// assembly, so under it the portable code runs, and a payload that is used while
// it is being masked is found. Only tests change it.
var hasAVX2 = cpu.X86.HasAVX2 && !raceDetector

// maskAVX2 XORs b with the key, whose lowest byte falls on b[0]. b must have at
// least 96 bytes.
//
//go:noescape
func maskAVX2(b []byte, key uint32)
