package server

import (
	"fmt"
	"syscall"
)

// mountSmall mounts a disk of so many bytes.
func mountSmall(dir string, bytes int) (unmount func(), err error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}
