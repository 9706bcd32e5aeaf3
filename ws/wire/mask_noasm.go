//go:build !amd64 || purego

package wire

// hasAVX2 is constant here, so what it guards is not compiled.
const hasAVX2 = false

func maskAVX2([]byte, uint32) { panic("wire: no assembly in this build") }
