package hub

// begin is the first publication that b covers, zero if it covers nothing.
func (b *backlog) begin() Position {
	if b.to.IsZero() {
		return Position{}
	}
	return Position{b.to.Epoch, b.first}
}

// joinBacklog decides how far a page of history goes towards the backlog of its
// subscription, which follows the part that is taken. It returns false if nothing of the
// backlog can follow; s.mu is held.
//
//	since                    lead   first
//	  ├──── page: taken ───────┤ ├─── page: not taken ─ ─
//	                             ├─── backlog ──────────── to
func (s *Session) joinBacklog(r *reading, b *backlog) (p part, ok bool) {
	first := b.begin()
	lead := Position{first.Epoch, b.previous} // where the backlog begins
	p.gap = r.page.Gap
	var cut bool
	p.publications, p.position, cut = s.fit(r.page)
	if p.gap == nil && r.since.Epoch == first.Epoch && r.since.Offset >= first.Offset {
		r.sub.seen = b.to // a late delivery had begun it, with what the client has
		return p, false
	}
	for i, publication := range p.publications {
		if publication.Position.Epoch != first.Epoch || publication.Position.Offset < first.Offset {
			continue
		}
		p.publications = p.publications[:i]
		p.endBefore(first, lead, r.since)
		return p, true
	}
	wasKnown := r.goal == first // when the page was asked for: it can be read up to it, or was not kept
	switch {
	case cut:
		p.behind = true
	case p.position.Epoch != first.Epoch:
		if wasKnown {
			return p, false // the page is of a later epoch
		}
		p.behind = true // the page may be of an earlier one
	case p.position.Offset >= first.Offset:
		p.endBefore(first, lead, r.since) // it was not kept, nor was what follows it
	case p.position.Offset >= lead.Offset:
	case !wasKnown && !s.hub.options.NoHistory, len(p.publications) > 0, p.gap != nil && !s.hub.options.NoHistory:
		p.behind = true
	default:
		p.gap, p.position = &Gap{From: r.since, To: lead}, lead
	}
	return p, true
}

// endBefore ends the part where the backlog begins: its gap does not reach into that.
func (p *part) endBefore(first, lead, since Position) {
	if g := p.gap; g != nil && g.To.Epoch == first.Epoch && g.To.Offset >= first.Offset {
		p.gap = &Gap{From: g.From, To: lead}
		if g.From.Epoch == lead.Epoch && lead.Offset <= g.From.Offset && g.From.Offset < first.Offset {
			p.gap = nil // nothing is between
		}
	}
	switch n := len(p.publications); {
	case n > 0:
		p.position = p.publications[n-1].Position
	case p.gap != nil:
		p.position = p.gap.To
	default:
		p.position = since
	}
}

// takeBacklog moves what may be handed out of the backlog of sub into dst, with a gap for
// the omitted ones. It reports whether that was all; s.mu is held.
func (s *Session) takeBacklog(sub *subscription, dst []Push, t *portion) (_ []Push, isWhole bool) {
	b := sub.rare.Load().backlog
	for w := b.oldest; w != nil && !sub.catching; w = b.oldest {
		d := w.delivery
		if t.isLast(len(d.Data)) {
			return dst, false
		}
		isExpired := t.expired.has(d.Publication)
		if !isExpired && b.terms.rate > 0 && !b.pace.spend() {
			b.giveTurns()
			break
		}
		dst = s.takeOmission(sub, w.omitted, dst)
		if isExpired {
			dst = s.passExpired(sub, d.Publication, sub.last, dst)
		} else {
			dst = append(dst, Push{Channel: sub.channel.name, Delivery: d})
			t.count++
			t.bytes += len(d.Data)
		}
		t.held += len(d.Data)
		sub.last, sub.taken = d.Position, d.Position.Offset
		b.remove(w)
		s.account(sub, -1, -len(d.Data))
	}
	sub.queued--
	b.isQueued = false
	switch {
	case sub.catching: // publications read from history come first
	case b.oldest != nil:
		s.delay(sub)
	default:
		dst = s.takeOmission(sub, b.omitted, dst)
		b.omitted = omission{}
		s.settleBacklog(sub)
	}
	return dst, true
}

// takeOmission appends a gap for the omitted publications, if there are any; s.mu is held.
func (s *Session) takeOmission(sub *subscription, o omission, dst []Push) []Push {
	if o.count == 0 {
		return dst
	}
	to := Position{sub.rare.Load().backlog.to.Epoch, o.to}
	dst = s.pushGap(sub, &Gap{From: sub.last, To: to, Reason: o.reason, Count: o.count}, dst)
	sub.last, sub.taken = to, to.Offset
	return dst
}
