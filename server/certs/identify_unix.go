//go:build unix

package certs

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identify tells a file from another of the same name.
func identify(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(s.Dev, ":", s.Ino)
	}
	return ""
}
