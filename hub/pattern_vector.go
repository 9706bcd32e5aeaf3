package hub

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Vector says how far a client has come in the channels of a pattern. A subscription
// that is continued with it, see SubscribeOptions.Vector, begins in each channel of
// Positions behind the position. In any other channel it begins
//
//   - behind Began, if Evicted is zero: the client has seen nothing of it before;
//   - behind Evicted otherwise, because it may have been in the vector earlier. Whether the
//     client has seen what is there between Began and Evicted is not known, and is
//     announced as a Gap.
//
// What history does not hold any more is announced as a Gap, too. Of a channel that is not
// in the vector and whose history has ended entirely nothing is known: if Until is longer
// ago than Options.Retention.Age, or than the Broker has begun (see TransientBroker), there
// may be such, and one Gap of the pattern, without positions, says so. That some channels keep less than that is not taken into account.
type Vector struct {
	Began     time.Time           // when the client subscribed to the pattern for the first time
	Until     time.Time           // of the newest publication that the client has seen; at least Began
	Evicted   time.Time           // of the newest one of all channels that are not in Positions any more; zero if there is none
	Positions map[string]Position // by channel

	// Newest, when positive, is how many of the newest publications the client is owed of
	// each channel that is not in Positions, besides what is later than Began or Evicted:
	// it subscribed with Last, and was not given all of that yet.
	Newest int
}

// until is Until, or Began if that is later.
func (v *Vector) until() time.Time {
	if v.Until.Before(v.Began) {
		return v.Began
	}
	return v.Until
}

// VectorTextBytesMax is the length of the longest text of a Vector that is parsed.
const VectorTextBytesMax = 64 << 10

// VectorError says why something is no Vector.
type VectorError struct {
	Text    string // "" if it was not parsed
	Problem string
}

// Error quotes the beginning of the text, if there is one.
func (e *VectorError) Error() string {
	if e.Text == "" {
		return "hub: vector: " + e.Problem
	}
	return "hub: vector " + quoted(e.Text) + ": " + e.Problem
}

// check returns why v cannot be used; nil is no vector.
func (v *Vector) check(channelsMax int) error {
	if v == nil {
		return nil
	}
	if v.Began.IsZero() {
		return &VectorError{Problem: "it says not when it began"}
	}
	if v.Newest < 0 {
		return &VectorError{Problem: "it is owed less than nothing"}
	}
	if len(v.Positions) > channelsMax {
		return &VectorError{Problem: fmt.Sprintf("it has %d channels; at most %d are allowed", len(v.Positions), channelsMax)}
	}
	for name, position := range v.Positions {
		if err := CheckChannel(name); err != nil {
			return err
		}
		if problem := epochProblem(position.Epoch); problem != "" {
			return &VectorError{Problem: problem}
		}
	}
	return nil
}

// The text of a vector is base64url without padding (RFC 4648 §5) of
//
//	version     │ 1, or 2 if Newest follows
//	Newest      │
//	Began │ Until │ Evicted                   nanoseconds since 1970; 0 for none
//	epochs      │ length, epoch …             in the order of their first use
//	channels    │ length, name, epoch, offset …   by name; epoch is an index
//
// in which every number is a uvarint (encoding/binary). A vector has one text.
const (
	vectorVersion       = 1
	vectorVersionNewest = 2
)

// String is the vector as an opaque text of letters, digits, "-" and "_", for
// ParseVector.
func (v *Vector) String() string {
	return base64.RawURLEncoding.EncodeToString(v.appendBinary(nil))
}

func (v *Vector) appendBinary(b []byte) []byte {
	if v.Newest > 0 {
		b = append(b, vectorVersionNewest)
		b = binary.AppendUvarint(b, uint64(v.Newest))
	} else {
		b = append(b, vectorVersion)
	}
	b = appendInstant(b, v.Began)
	b = appendInstant(b, v.Until)
	b = appendInstant(b, v.Evicted)
	names := slices.Sorted(maps.Keys(v.Positions))
	var epochs []string
	index := make(map[string]uint64)
	for _, name := range names {
		epoch := v.Positions[name].Epoch
		if _, ok := index[epoch]; !ok {
			index[epoch] = uint64(len(epochs))
			epochs = append(epochs, epoch)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(epochs)))
	for _, epoch := range epochs {
		b = appendText(b, epoch)
	}
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		p := v.Positions[name]
		b = appendText(b, name)
		b = binary.AppendUvarint(b, index[p.Epoch])
		b = binary.AppendUvarint(b, p.Offset)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendInstant(b []byte, t time.Time) []byte {
	if t.IsZero() || t.UnixNano() <= 0 {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(t.UnixNano()))
}

// ParseVector is the inverse of Vector.String, for at most VectorTextBytesMax bytes. The
// error is a *VectorError, or a *NameError. The caller owns the Vector.
func ParseVector(text string) (*Vector, error) {
	fault := func(problem string) (*Vector, error) { return nil, &VectorError{text, problem} }
	if text == "" {
		return nil, &VectorError{Problem: "it is empty"}
	}
	if len(text) > VectorTextBytesMax {
		return fault(fmt.Sprintf("it is %d bytes long; at most %d are allowed", len(text), VectorTextBytesMax))
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 {
		return fault("it is not base64url; take it as the server gave it")
	}
	p := vectorParser{b: b[1:]}
	newest := 0
	switch b[0] {
	case vectorVersion:
	case vectorVersionNewest:
		newest = int(p.number(math.MaxInt))
	default:
		return fault("it is of another version of the server")
	}
	v := &Vector{Newest: newest, Began: p.instant(), Until: p.instant(), Evicted: p.instant(), Positions: make(map[string]Position)}
	var epochs []string
	for range p.number(uint64(len(p.b))) {
		epochs = append(epochs, p.text(EpochBytesMax))
	}
	last := ""
	for range p.number(uint64(len(p.b))) {
		name := p.text(ChannelNameBytesMax)
		i, offset := p.number(uint64(max(1, len(epochs))-1)), p.number(1<<64-1)
		if p.bad || len(epochs) == 0 || name <= last {
			return fault("its channels make no sense")
		}
		v.Positions[name], last = Position{epochs[i], offset}, name
	}
	if p.bad || len(p.b) > 0 {
		return fault("it is cut, or too long")
	}
	if err := v.check(len(v.Positions)); err != nil {
		return nil, err
	}
	if v.String() != text {
		return fault("it is not as a server writes it")
	}
	return v, nil
}

// vectorParser takes a vector apart; bad is set at the first fault, and all that follows
// is zero.
type vectorParser struct {
	b   []byte
	bad bool
}

func (p *vectorParser) number(most uint64) uint64 {
	v, n := binary.Uvarint(p.b)
	if p.bad || n <= 0 || v > most {
		p.bad = true
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *vectorParser) instant() (t time.Time) {
	if nano := p.number(1<<63 - 1); nano > 0 {
		t = time.Unix(0, int64(nano)).UTC()
	}
	return t
}

func (p *vectorParser) text(most int) string {
	n := int(p.number(uint64(most)))
	if n > len(p.b) {
		p.bad = true
		return ""
	}
	text := string(p.b[:n])
	p.b = p.b[n:]
	return text
}
