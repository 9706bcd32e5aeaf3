package membroker

// ring is a queue in one array that grows and shrinks with its elements. It does not
// keep alive the elements that have left it.
//
//	array  [ 5 6 7 · · · 3 4 ]
//	             head ───┘       at(0) is 3, at(4) is 7
type ring[T any] struct {
	array []T // its length is 0 or a power of two
	head  int
	n     int
}

const ringMin = 4

func (r *ring[T]) len() int { return r.n }

// at returns the i-th oldest, to be read or changed in place.
func (r *ring[T]) at(i int) *T { return &r.array[(r.head+i)&(len(r.array)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.array) {
		r.resize(max(ringMin, 2*r.n))
	}
	r.n++
	*r.at(r.n - 1) = v
}

// pop removes the oldest and returns it.
func (r *ring[T]) pop() T {
	var zero T
	oldest := r.at(0)
	v := *oldest
	*oldest = zero
	r.head = (r.head + 1) & (len(r.array) - 1)
	r.n--
	switch {
	case r.n == 0:
		*r = ring[T]{}
	case len(r.array) > ringMin && r.n <= len(r.array)/4:
		r.resize(len(r.array) / 2)
	}
	return v
}

func (r *ring[T]) resize(size int) {
	array := make([]T, size)
	for i := range r.n {
		array[i] = *r.at(i)
	}
	r.array, r.head = array, 0
}
