package pubcodec

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// ErrMalformed is the error of bytes that nothing in this package has made.
var ErrMalformed = errors.New("pubcodec: malformed")

// AppendBytes appends b and its length.
func AppendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// AppendString appends s and its length.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendUint appends a number.
func AppendUint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// AppendInt appends a number that may be negative.
func AppendInt(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

// AppendBool appends a byte.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// Fields takes one field after another from the beginning of B. After the first one
// that is malformed all are zero, and Err is ErrMalformed.
type Fields struct {
	B   []byte
	Err error
}

func (f *Fields) fail() {
	f.B, f.Err = nil, ErrMalformed
}

// Uint takes a number.
func (f *Fields) Uint() uint64 {
	n, size := binary.Uvarint(f.B)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.B = f.B[size:]
	return n
}

// Int takes a number that may be negative.
func (f *Fields) Int() int64 {
	n, size := binary.Varint(f.B)
	if size <= 0 {
		f.fail()
		return 0
	}
	f.B = f.B[size:]
	return n
}

// Length takes a number that an int can be and that is not negative.
func (f *Fields) Length() int {
	n := f.Uint()
	if n > math.MaxInt32 {
		f.fail()
		return 0
	}
	return int(n)
}

// Byte takes a byte.
func (f *Fields) Byte() byte {
	if len(f.B) == 0 {
		f.fail()
		return 0
	}
	b := f.B[0]
	f.B = f.B[1:]
	return b
}

// Bool takes a byte that is 0 or 1.
func (f *Fields) Bool() bool {
	b := f.Byte()
	if b > 1 {
		f.fail()
	}
	return b == 1
}

// Bytes takes bytes and their length. They are a part of B.
func (f *Fields) Bytes() []byte {
	n := f.Uint()
	if n > uint64(len(f.B)) {
		f.fail()
		return nil
	}
	b := f.B[:n:n]
	f.B = f.B[n:]
	return b
}

// String takes a text and its length.
func (f *Fields) String() string { return string(f.Bytes()) }

// appendTime appends a time in nanoseconds of Unix time.
func appendTime(dst []byte, t time.Time) []byte { return AppendInt(dst, t.UnixNano()) }

func (f *Fields) time() time.Time { return time.Unix(0, f.Int()).UTC() }

// Rest returns Err, which is ErrMalformed if bytes are left.
func (f *Fields) Rest() error {
	if f.Err == nil && len(f.B) > 0 {
		f.fail()
	}
	return f.Err
}
