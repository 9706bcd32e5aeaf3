//go:build !linux

package server

import "errors"

func mountSmall(string, int) (unmount func(), err error) {
	return nil, errors.New("only Linux has disks in memory that a test can mount")
}
