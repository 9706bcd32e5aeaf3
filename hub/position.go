package hub

import (
	"strconv"
	"strings"
)

// EpochBytesMax is the length of the longest epoch. An epoch is made of the
// characters A-Z, a-z, 0-9, "_" and "-".
const EpochBytesMax = 32

// Position is a place in one channel's history: the offset of a publication
// within an epoch. Offsets of a channel ascend with each publication, and there
// may be holes between them; the first is at least 1. A new epoch begins when a
// broker has lost its history, so positions of different epochs cannot be
// compared.
//
// The zero Position is no place at all. An offset of 0 within an epoch is the
// place before everything.
type Position struct {
	Epoch  string
	Offset uint64
}

// PositionError says why a string is not a Position.
type PositionError struct {
	Text    string
	Problem string
}

// Error quotes the text, or its beginning when it is long, and says what a
// position looks like.
func (e *PositionError) Error() string {
	return "hub: position " + quoted(e.Text) + ": " + e.Problem + "; a position is EPOCH:OFFSET as the server gave it"
}

// ParsePosition is the inverse of String. Every position has exactly one
// spelling. It returns a *PositionError when s is not that spelling.
func ParsePosition(s string) (Position, error) {
	fault := func(problem string) (Position, error) {
		return Position{}, &PositionError{Text: s, Problem: problem}
	}
	epoch, digits, found := strings.Cut(s, ":")
	if !found {
		return fault("it has no colon")
	}
	if problem := epochProblem(epoch); problem != "" {
		return fault(problem)
	}
	if digits == "" {
		return fault("the offset is missing")
	}
	if digits[0] == '0' && len(digits) > 1 {
		return fault("the offset has a leading zero")
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return fault("the offset is not made of decimal digits")
		}
	}
	offset, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return fault("the offset does not fit in 64 bits")
	}
	return Position{Epoch: epoch, Offset: offset}, nil
}

func epochProblem(epoch string) string {
	if epoch == "" {
		return "the epoch is missing"
	}
	if len(epoch) > EpochBytesMax {
		return "the epoch is longer than " + strconv.Itoa(EpochBytesMax) + " characters"
	}
	for _, c := range []byte(epoch) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			return "the epoch has a character other than letters, digits, _ and -"
		}
	}
	return ""
}

// IsZero reports whether p is no place at all.
func (p Position) IsZero() bool { return p == Position{} }

// String is EPOCH:OFFSET, and empty for the zero Position.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return p.Epoch + ":" + strconv.FormatUint(p.Offset, 10)
}

// AppendTo appends String to dst.
func (p Position) AppendTo(dst []byte) []byte {
	if p.IsZero() {
		return dst
	}
	dst = append(dst, p.Epoch...)
	dst = append(dst, ':')
	return strconv.AppendUint(dst, p.Offset, 10)
}

// MarshalText is String, or a *PositionError when the epoch is not one.
func (p Position) MarshalText() ([]byte, error) {
	if problem := epochProblem(p.Epoch); problem != "" && !p.IsZero() {
		return nil, &PositionError{Text: p.String(), Problem: problem}
	}
	return p.AppendTo(nil), nil
}

// UnmarshalText is ParsePosition, and takes an empty text for the zero Position.
func (p *Position) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Position{}
		return nil
	}
	parsed, err := ParsePosition(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

// isAfter reports whether p is newer than q. Positions of different epochs are
// not ordered; then it is false.
func (p Position) isAfter(q Position) bool { return p.Epoch == q.Epoch && p.Offset > q.Offset }

// isNews reports whether p says that there is more than what came up to q: it is
// newer, or of another epoch. The zero Position says nothing.
func (p Position) isNews(q Position) bool {
	return !p.IsZero() && (p.Epoch != q.Epoch || p.Offset > q.Offset)
}
