package hub

import "sync/atomic"

// Delivery is a Publication on its way to subscribers, shared by all of them,
// so that each wire form of it is made once however many there are. It must not
// be copied.
type Delivery struct {
	*Publication
	forms atomic.Pointer[formed]
}

// formed is one form of a publication, in a list of the forms that were made.
type formed struct {
	form  any // the *Form[T]
	value any // the T
	next  *formed
}

// Form is one way to put publications on the wire: a frame, an event, a line, a
// message prepared for compression. A package makes its forms once, as
// variables; a Form made for each use would never be shared.
type Form[T any] struct {
	encode  func(*Publication) T
	deliver func(*Delivery) T // instead of encode
}

// NewForm returns the form that encode makes. The result of encode is shared by all
// pushes of the publication, so it must not be modified.
func NewForm[T any](encode func(*Publication) T) *Form[T] { return &Form[T]{encode: encode} }

// NewDeltaForm returns a form that depends on other forms of the same Delivery, or on its
// Base. It has no Encode.
func NewDeltaForm[T any](encode func(*Delivery) T) *Form[T] { return &Form[T]{deliver: encode} }

// Of returns d in this form, made with the first call. It is safe for concurrent
// use; when two callers race, both get the same correct value.
func (f *Form[T]) Of(d *Delivery) T {
	first := d.forms.Load()
	if value, ok := f.find(first); ok {
		return value
	}
	value := f.make(d) // which may make others
	for {
		first = d.forms.Load()
		if other, ok := f.find(first); ok { // another goroutine was faster
			return other
		}
		if d.forms.CompareAndSwap(first, &formed{form: f, value: value, next: first}) {
			return value
		}
	}
}

// find looks for the form among the forms that were made.
func (f *Form[T]) find(made *formed) (value T, ok bool) {
	for ; made != nil; made = made.next {
		if made.form == any(f) {
			return made.value.(T), true
		}
	}
	return value, false
}

func (f *Form[T]) make(d *Delivery) T {
	if f.deliver != nil {
		return f.deliver(d)
	}
	return f.encode(d.Publication)
}

// Encode returns p in this form, for a publication that is not delivered to many.
func (f *Form[T]) Encode(p *Publication) T { return f.encode(p) }
