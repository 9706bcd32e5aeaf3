package engineio

import (
	"errors"

	"github.com/godwit-io/godwit/ws/driver"
)

// Errors of a Socket's writes. The first two belong to a session that ends or has ended;
// the others are of misuse, and change nothing.
var (
	ErrClosed    = errors.New("engineio: the session has ended")
	ErrQueueFull = driver.ErrQueueFull

	ErrMessageType = driver.ErrMessageType
	ErrNotUTF8     = driver.ErrNotUTF8
	ErrFrame       = errors.New("engineio: messages are whole, unmasked text or binary frames")
	ErrSeparator   = errors.New("engineio: a text with U+001E cannot be sent over polling, whose separator it is; send a binary message instead")
)

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError = driver.OptionError

// NoLimit, as the value of an option that is a limit or a time, means that there is none.
const NoLimit = driver.NoLimit
