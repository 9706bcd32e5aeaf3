package engine

// watched is what a poller that has a filter for each direction watches a
// descriptor for, by descriptor: they are small numbers. It makes no system
// calls, so it is tested on systems that have no such poller, too.
type watched []interest

type interest struct {
	key         int32
	read, write bool
}

// filter is one direction of a descriptor that is to be watched, or no longer.
type filter struct {
	write bool
	add   bool
}

// begin forgets what was known of fd: a descriptor that is closed leaves the
// poller without a word, and its number comes back as another one's.
func (w *watched) begin(fd, key int32) {
	for int(fd) >= len(*w) {
		*w = append(*w, interest{})
	}
	(*w)[fd] = interest{key: key}
}

// change notes what fd is watched for from now on, and returns which filters
// that changes.
func (w watched) change(fd int32, read, write bool) (changes [2]filter, n int) {
	i := &w[fd]
	if i.read != read {
		changes[n] = filter{add: read}
		n++
	}
	if i.write != write {
		changes[n] = filter{write: true, add: write}
		n++
	}
	i.read, i.write = read, write
	return changes, n
}

// event is the one for a filter of fd that has fired.
func (w watched) event(fd int32, write bool) event {
	return event{fd: fd, key: w[fd].key, readable: !write, writable: write}
}
