package witness

import (
	"fmt"
	"slices"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Kind is the kind of a fault.
type Kind string

// What can be wrong.
const (
	Lost      Kind = "lost"                 // a publication was passed over, and no gap has said so
	Unheard   Kind = "not heard at the end" // the client never came to the newest publication
	Repeated  Kind = "repeated"             // a publication, or a position, was given again
	Reordered Kind = "reordered"            // an older position came behind a newer one, or an older publication of one publisher
	Epoch     Kind = "silent epoch change"  // a position of another epoch, and no gap has said so
	Duplicate Kind = "published twice"      // one publication has two positions of an epoch
	Conflict  Kind = "position used twice"  // two publications have one position
	Foreign   Kind = "never published"      // nobody has published what was given, not in this channel
	BadGap    Kind = "impossible gap"       // a gap that begins elsewhere than where the client is
)

// Fault is something that must not be.
type Fault struct {
	Kind    Kind
	Channel string
	Record  *Record // nil where it is about publishers alone
	Text    string
}

func (f Fault) String() string {
	who := "publishers"
	if f.Record != nil {
		who = f.Record.client
	}
	return fmt.Sprintf("%s: %s in %s: %s", f.Kind, who, f.Channel, f.Text)
}

// AnnouncedGap is a gap that a client was told of.
type AnnouncedGap struct {
	Client, Channel string
	From, To        hub.Position
	At              time.Time
	NewEpoch        bool // From and To are of different epochs, or it is not known where it begins or ends
	Missed          int  // publications in it that are known
}

// Verdict is the outcome of a check.
type Verdict struct {
	Faults []Fault
	Gaps   []AnnouncedGap

	Acknowledged int // publications, by their publishers
	Given        int // publications, to all clients together
	Reached      int // acknowledged ones that some client was given
	Announced    int // acknowledged ones that nobody was given, but in gaps that were announced
	Again        int // publications that were published in two epochs, because the first of them was gone
	Back         int // gaps that led a client back to what it had been given, in the same epoch
	Returns      int // times that a client was told to go on in an epoch that it had left
}

// FaultsMax is how many faults of one record are kept. What follows a fault is often its consequence.
const FaultsMax = 3

// Check compares the records with the truth. Nothing may be added meanwhile. complete says
// that every client has had the time to hear everything: that it has not is a fault then.
func (t *Truth) Check(records []*Record, complete bool) *Verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &Verdict{Acknowledged: t.accepted}
	byChannel := make(map[string][]*Record)
	var names []string
	for channel := range t.acks {
		names = append(names, channel)
	}
	for _, r := range records {
		if byChannel[r.channel] == nil && t.acks[r.channel] == nil {
			names = append(names, r.channel)
		}
		byChannel[r.channel] = append(byChannel[r.channel], r)
	}
	slices.Sort(names)
	for _, channel := range names {
		t.checkChannel(v, channel, byChannel[channel], complete)
	}
	return v
}

func (t *Truth) checkChannel(v *Verdict, channel string, records []*Record, complete bool) {
	c := t.chronicleOf(channel, records)
	v.checkPublished(t, channel, c)
	v.checkPublishers(channel, t.acks[channel])
	end := hub.Position{}
	if acks := t.acks[channel]; complete && len(acks) > 0 {
		end = acks[len(acks)-1].at
	}
	reached := make(map[uint64]bool)
	for _, r := range records {
		w := walk{verdict: v, record: r, chronicle: c, seen: make(map[uint64]bool), left: make(map[string]bool)}
		w.run(end)
		for id := range w.seen {
			reached[id] = true
		}
	}
	if len(records) == 0 {
		return
	}
	done := make(map[uint64]bool)
	for _, a := range t.acks[channel] {
		if done[a.id] {
			continue
		}
		done[a.id] = true
		if reached[a.id] {
			v.Reached++
		} else {
			v.Announced++
		}
	}
}

func (v *Verdict) fault(kind Kind, channel string, r *Record, format string, args ...any) {
	v.Faults = append(v.Faults, Fault{kind, channel, r, fmt.Sprintf(format, args...)})
}

// checkPublished looks for publications that have two positions, and positions that have
// two publications.
func (v *Verdict) checkPublished(t *Truth, channel string, c chronicle) {
	epochs := make(map[uint64]string)
	for epoch, all := range c {
		offsets := make(map[uint64]uint64, len(all))
		for i, e := range all {
			if i > 0 && all[i-1].offset == e.offset {
				v.fault(Conflict, channel, nil, "%s:%d is %s and %s", epoch, e.offset, ID(all[i-1].id), ID(e.id))
			}
			if at, is := offsets[e.id]; is {
				v.fault(Duplicate, channel, nil, "%s is at %s:%d and at %s:%d", ID(e.id), epoch, at, epoch, e.offset)
			}
			offsets[e.id] = e.offset
			if in, was := t.sent[e.id]; !was || in != channel {
				v.fault(Foreign, channel, nil, "%s at %s:%d", ID(e.id), epoch, e.offset)
			}
			if other, was := epochs[e.id]; was && other != epoch {
				v.Again++
			}
			epochs[e.id] = epoch
		}
	}
}

// checkPublishers looks for publications that were sent when an earlier one of the same publisher
// had been acknowledged, and have an older position. One that had been published in an earlier
// attempt is as old as that, which was later than the earlier acknowledgement, too.
func (v *Verdict) checkPublishers(channel string, acks []ack) {
	for _, a := range acks {
		if a.after.Epoch == a.at.Epoch && a.at.Offset <= a.after.Offset && !a.after.IsZero() {
			v.fault(Reordered, channel, nil, "%s is at %s, and was sent when its publisher knew of %s", ID(a.id), a.at, a.after)
		}
	}
}

// ID is how a publication is called in texts: its publisher, which is the upper half, and a
// number, the lower one.
type ID uint64

// NewID makes the ID of publication n of a publisher.
func NewID(publisher, n uint32) uint64 { return uint64(publisher)<<32 | uint64(n) }

func (id ID) String() string { return fmt.Sprintf("p%d-%d", uint64(id)>>32, uint32(id)) }
