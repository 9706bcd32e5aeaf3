//go:build !amd64 || purego

package wire

func asciiAVX2([]byte) int { panic("wire: no assembly in this build") }

func utf8AVX2([]byte) bool { panic("wire: no assembly in this build") }
