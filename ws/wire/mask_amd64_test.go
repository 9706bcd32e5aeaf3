//go:build !purego

package wire

import (
	"testing"

	"golang.org/x/sys/cpu"
)

// onEachPath calls do once with every implementation that this build has and
// this processor can run.
func onEachPath(do func(path string)) {
	defer func(was bool) { hasAVX2 = was }(hasAVX2)
	hasAVX2 = false
	do("portable")
	if cpu.X86.HasAVX2 {
		hasAVX2 = true
		do("AVX2")
	}
}

// Every other test would pass as well if the assembly were never called.
func TestAssemblyIsUsed(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("this processor has no AVX2, so only the portable code was tested")
	}
	if hasAVX2 == raceDetector {
		t.Fatalf("hasAVX2 = %v with the race detector = %v", hasAVX2, raceDetector)
	}
	var ran []string
	onEachPath(func(path string) { ran = append(ran, path) })
	if len(ran) != 2 {
		t.Fatalf("tests run on %v", ran)
	}
}
