package hub

// deltas are the state that a channel keeps while a subscription wants deltas, see
// SubscribeOptions.Deltas. It is guarded by channel.mu.
type deltas struct {
	wanted map[*subscription]struct{}
	latest *Publication // that was delivered, nil before the first
}

// wantDeltas has the deliveries of the channel know the one before them, from the next
// but one on, until sub is removed.
func (ch *channel) wantDeltas(sub *subscription) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if int(sub.index) >= len(ch.subs) || ch.subs[sub.index] != sub {
		return // it has been removed meanwhile
	}
	if ch.deltas == nil {
		ch.deltas = &deltas{wanted: map[*subscription]struct{}{}}
	}
	ch.deltas.wanted[sub] = struct{}{}
}

// waiveDeltas ends that for sub; ch.mu is held.
func (ch *channel) waiveDeltas(sub *subscription) {
	if ch.deltas == nil {
		return
	}
	if delete(ch.deltas.wanted, sub); len(ch.deltas.wanted) == 0 {
		ch.deltas = nil
	}
}

// follow returns the publication that was delivered before p, if the channel keeps it;
// ch.mu is held.
func (d *deltas) follow(p *Publication) (previous *Publication) {
	if d == nil {
		return nil
	}
	previous, d.latest = d.latest, p
	return previous
}

// basedOn stands for the publication before a Delivery in the list of its forms: those
// that have none do not grow.
type basedOn struct{}

// newDelivery returns the Delivery of p, behind previous if that is not nil.
func newDelivery(p, previous *Publication) *Delivery {
	d := &Delivery{Publication: p}
	if previous != nil {
		d.forms.Store(&formed{form: basedOn{}, value: previous})
	}
	return d
}

// Base is the publication that the hub delivered before this one in its channel, nil if
// it is not known: a subscription has to want it, see SubscribeOptions.Deltas. A client
// that was not given it, or was given others since, can do nothing with a delta.
func (d *Delivery) Base() *Publication {
	for made := d.forms.Load(); made != nil; made = made.next {
		if made.form == any(basedOn{}) {
			return made.value.(*Publication)
		}
	}
	return nil
}
