package hub

import (
	"encoding/base64"
	"maps"
	"time"
)

// VectorTracker follows what a client is given of a pattern, for an edge that tells its
// client a Vector: with every publication, or when it asks. It holds so much as was
// allowed: the channel that was not published in for the longest time is evicted, see
// Vector. It is not safe for concurrent use.
type VectorTracker struct {
	channelsMax int
	bytesMax    int
	vector      Vector
	noted       map[string]trackedChannel
	epochs      map[string]int // how many channels have positions of it
	bytes       int            // of the binary form, or a little more
	turn        uint64
}

type trackedChannel struct {
	time time.Time // of the newest publication
	turn uint64    // when it came
}

// NewVectorTracker returns a tracker that goes on from v, which an Outcome has; it does
// not modify v. The tracker holds at most channelsMax channels in a text of at most
// textBytesMax bytes, but always one channel; 0 is no bound.
func NewVectorTracker(v *Vector, channelsMax, textBytesMax int) *VectorTracker {
	t := &VectorTracker{
		channelsMax: channelsMax,
		bytesMax:    base64.RawURLEncoding.DecodedLen(textBytesMax),
		vector:      Vector{Began: v.Began, Until: v.Until, Evicted: v.Evicted, Newest: v.Newest, Positions: make(map[string]Position)},
		noted:       make(map[string]trackedChannel),
		epochs:      make(map[string]int),
		bytes:       vectorHeadBytes,
	}
	t.NoteTime(v.Began)
	t.NoteTime(v.Evicted)
	for channel, position := range v.Positions {
		t.Note(channel, position, time.Time{})
	}
	return t
}

// What the parts of a vector take at most in its binary form, besides texts.
const (
	vectorHeadBytes    = 1 + 10 + 3*10 + 2*10
	vectorChannelBytes = 2 + 3 + 10
	vectorEpochBytes   = 1
)

// Note notes that the client is given the publication of a channel at position, of this
// time, or that a Gap ends there. The zero time, for an unknown one, stands for the
// newest that was noted.
func (t *VectorTracker) Note(channel string, position Position, at time.Time) {
	before, isKnown := t.vector.Positions[channel]
	if at.IsZero() {
		at = t.vector.Until
	}
	t.NoteTime(at)
	if isKnown {
		t.release(before.Epoch)
		if last := t.noted[channel].time; last.After(at) {
			at = last
		}
	} else {
		t.bytes += vectorChannelBytes + len(channel)
	}
	if t.epochs[position.Epoch]++; t.epochs[position.Epoch] == 1 {
		t.bytes += vectorEpochBytes + len(position.Epoch)
	}
	t.turn++
	t.vector.Positions[channel] = position
	t.noted[channel] = trackedChannel{at, t.turn}
	for len(t.noted) > 1 && (t.channelsMax > 0 && len(t.noted) > t.channelsMax || t.bytesMax > 0 && t.bytes > t.bytesMax) {
		t.evict()
	}
}

// NoteTime notes that the client has been given everything up to a time: when nothing was
// published for a while, for example.
func (t *VectorTracker) NoteTime(at time.Time) {
	if at.After(t.vector.Until) {
		t.vector.Until = at.UTC().Round(0)
	}
}

// NoteCaughtUp notes that the client has been given everything that it was owed, and reports
// whether that had been more than the publications newer than its vector.
func (t *VectorTracker) NoteCaughtUp() (wasOwed bool) {
	wasOwed = t.vector.Newest > 0
	t.vector.Newest = 0
	return wasOwed
}

func (t *VectorTracker) release(epoch string) {
	if t.epochs[epoch]--; t.epochs[epoch] == 0 {
		delete(t.epochs, epoch)
		t.bytes -= vectorEpochBytes + len(epoch)
	}
}

// evict takes out the channel that was not published in for the longest time.
func (t *VectorTracker) evict() {
	oldest, turn := "", t.turn+1
	for channel, noted := range t.noted {
		if noted.turn < turn {
			oldest, turn = channel, noted.turn
		}
	}
	if at := t.noted[oldest].time; at.After(t.vector.Evicted) {
		t.vector.Evicted = at
	}
	t.release(t.vector.Positions[oldest].Epoch)
	t.bytes -= vectorChannelBytes + len(oldest)
	delete(t.noted, oldest)
	delete(t.vector.Positions, oldest)
}

// Vector returns how far the client has come. The caller owns it.
func (t *VectorTracker) Vector() *Vector {
	v := t.vector
	v.Positions = maps.Clone(v.Positions)
	return &v
}

// String is the text of Vector.
func (t *VectorTracker) String() string { return t.vector.String() }
