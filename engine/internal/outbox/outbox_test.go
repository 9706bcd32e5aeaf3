package outbox

import (
	"bytes"
	"testing"
)

// FuzzOutbox: whatever is put into outboxes and taken out of them in whatever
// pieces, the bytes are those that were put in, and so is the number of messages.
func FuzzOutbox(f *testing.F) {
	f.Add([]byte("abrbaatcxbrrtta"))
	f.Add([]byte("rrrttttttttttttttttttttttttttttttt"))
	f.Add([]byte("amrmtkatkrkcteaam"))
	f.Add([]byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 200, 100, 50})
	f.Fuzz(func(t *testing.T, script []byte) {
		o := &Outbox{}
		var want []byte // what has not been sent
		var ends []int  // how long want is behind each message
		next := byte(0)
		some := func(n int) []byte {
			p := make([]byte, n)
			for i := range p {
				p[i] = next
				next++
			}
			return p
		}
		for _, op := range script {
			n := int(op>>3)%13 + 1
			switch op % 8 {
			case 0, 1: // copied
				p := some(n)
				o.Bytes = append(o.Bytes, p...)
				o.Mark()
				want = append(want, p...)
				ends = append(ends, len(want))
			case 2: // referred to
				p := some(n)
				o.Refer(p)
				o.Mark()
				want = append(want, p...)
				ends = append(ends, len(want))
			case 3: // no message: a pong
				p := some(n)
				o.Bytes = append(o.Bytes, p...)
				want = append(want, p...)
			case 4, 5: // the network takes some
				n = min(n*2, len(want))
				want = want[n:]
				gone := 0
				for i := range ends {
					if ends[i] -= n; ends[i] <= 0 {
						gone++
					}
				}
				ends = ends[gone:]
				if got := o.Advance(n); got != gone {
					t.Fatalf("%d messages have been sent, want %d", got, gone)
				}
			case 6:
				o.Compact()
			case 7: // put behind others
				front := &Outbox{}
				p := some(n)
				front.Bytes = append(front.Bytes, p...)
				front.Mark()
				front.Advance(n / 2)
				front.Append(o)
				want = append(p[n/2:], want...)
				for i := range ends {
					ends[i] += n - n/2
				}
				ends = append([]int{n - n/2}, ends...)
				o = front
			}
			if got := bytes.Join(o.Parts(), nil); !bytes.Equal(got, want) || o.Len() != len(want) || o.Messages() != len(ends) {
				t.Fatalf("%x of %d bytes in %d messages, want %x in %d", got, o.Len(), o.Messages(), want, len(ends))
			}
		}
		o.Empty()
		if o.Len() != 0 || o.Messages() != 0 || len(o.Parts()) != 0 {
			t.Fatalf("%+v is not empty", o)
		}
		for _, r := range o.refs[:cap(o.refs)] {
			if r.p != nil {
				t.Fatal("a frame is kept alive")
			}
		}
	})
}
