package membroker

// Stats are gauges of what a Broker holds, and a counter.
type Stats struct {
	Channels     int    // with a listener or history
	Publications int    // in all histories
	Bytes        int64  // what they count against Options.HistoryBytesMax
	Evicted      uint64 // publications dropped early because that was reached
}

// Stats may be called at any time and takes no lock.
func (b *Broker) Stats() Stats {
	return Stats{
		Channels:     int(b.channels.Load()),
		Publications: int(b.publications.Load()),
		Bytes:        b.bytes.Load(),
		Evicted:      b.evicted.Load(),
	}
}
