//go:build !unix

package standstill

import "errors"

// Pause is not possible on this system.
func Pause(int) error { return errors.ErrUnsupported }

// Resume is not possible on this system.
func Resume(int) error { return errors.ErrUnsupported }
