package tlslink

const (
	headerBytes     = 5
	bodyBytesMax    = 16 << 10 // RFC 8446 §5.1: of a record before it is encrypted
	recordHandshake = 22       // RFC 8446 §5.1: the content type of a ClientHello
)

// record follows the records of TLS in the input (RFC 8446 §5.1). A tls.Conn
// keeps the largest buffer that it has ever read into, and it reads as much as
// there is. So it is given one record at a time: what an idle connection keeps depends
// on the largest that it has seen, and not on how many small ones came at once.
type record struct {
	head int  // bytes of the header that were given
	left int  // bytes of the record that were not, when the header was
	lost bool // net/http has read in between: it is not known any more
}

// cut copies from in what may be given.
func (r *record) cut(p, in []byte) int {
	if r.lost {
		return copy(p, in)
	}
	if r.head < headerBytes {
		n := copy(p, in[:min(len(in), headerBytes-r.head)])
		for _, b := range in[:n] {
			if r.head++; r.head > headerBytes-2 {
				r.left = r.left<<8 | int(b)
			}
		}
		if r.head < headerBytes {
			return n
		}
		return n + r.body(p[n:], in[n:])
	}
	return r.body(p, in)
}

func (r *record) body(p, in []byte) int {
	n := copy(p, in[:min(len(in), r.left)])
	r.left -= n
	r.next()
	return n
}

// next begins with another record if this one is over.
func (r *record) next() {
	if r.head == headerBytes && r.left == 0 {
		r.head = 0
	}
}
