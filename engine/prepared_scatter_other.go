//go:build !linux

package engine

// canSendParts says that the system takes several pieces at a time.
const canSendParts = false

func sendParts(int32, [][]byte) (int, error) { return 0, errNoDescriptors }
