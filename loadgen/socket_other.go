//go:build !linux

package loadgen

import "errors"

var errNoLoops = errors.New("loadgen: no loops on this system")

// socketLoop is for Linux.
type socketLoop struct{}

func newSocketLoop() (*socketLoop, error) { return nil, errNoLoops }

func (*socketLoop) run()                  {}
func (*socketLoop) stop()                 {}
func (*socketLoop) add(*socket) error     { return errNoLoops }
func (*socketLoop) watch(*socket, bool)   {}
func (*socketLoop) remove(*socket)        {}
func (*socket) put([]byte) int            { return 0 }
func duplicate(uintptr) (fd int, ok bool) { return 0, false }
func closeDescriptor(int)                 {}
