package hub

import "sync/atomic"

// Push is one thing a client is owed: exactly one of Delivery and Gap is set.
type Push struct {
	Channel  string
	Delivery *Delivery
	Gap      *Gap
}

// Delivery is a Publication on its way to subscribers, shared by all of them,
// so that each wire form of it is encoded once however many there are. It must
// not be copied.
type Delivery struct {
	*Publication
	forms [FormsMax]atomic.Pointer[[]byte]
}

// Form names a way to encode a publication. An edge package assigns its own, below FormsMax.
type Form uint8

// FormsMax is the number of forms a Delivery can hold.
const FormsMax = 8

// Encoded returns the publication in form f, encoding it with encode the first
// time. The result is shared: it must not be modified. It is safe for concurrent
// use; when two callers race, both get the same correct encoding. A form of
// FormsMax or more panics.
func (d *Delivery) Encoded(f Form, encode func(*Publication) []byte) []byte {
	if b := d.forms[f].Load(); b != nil {
		return *b
	}
	b := encode(d.Publication)
	if d.forms[f].CompareAndSwap(nil, &b) {
		return b
	}
	return *d.forms[f].Load()
}
