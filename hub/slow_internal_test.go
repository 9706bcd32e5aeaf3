package hub

import "fmt"

// Backlogs counts the publications in the backlogs of s, one by one, and panics if the
// accounts differ.
func (s *Session) Backlogs() (count, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	holders := 0
	for sub := range s.subs.all() {
		b := sub.backlog()
		if b == nil {
			continue
		}
		n, size, keys := 0, 0, 0
		for w := b.oldest; w != nil; w = w.newer {
			n++
			if !w.hasTurn {
				keys++
			}
			size += len(w.delivery.Data)
		}
		if n != b.count || size != b.bytes || b.byKey != nil && len(b.byKey) != keys {
			panic(fmt.Sprintf("a backlog has %d publications of %d bytes, and says %d of %d, with %d keys", n, size, b.count, b.bytes, len(b.byKey)))
		}
		count += n
		bytes += size
		if n > 0 {
			holders++
		}
	}
	if s.commands == nil || s.commands.backlogs == nil {
		return count, bytes
	}
	if all := s.commands.backlogs; all.count != count || all.bytes != bytes || len(all.holders) != holders {
		panic(fmt.Sprintf("%d backlogs have %d publications of %d bytes, and %d of %d are accounted for", holders, count, bytes, all.count, all.bytes))
	}
	return count, bytes
}
