package engineio

import (
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/ws/wire"
)

// What the protocol has in a query is what net/url finds there, where names are not
// escaped: no client does that.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"EIO=4&transport=polling&sid=abc&t=x", "sid=%41+b&sid=c&b64=1&j=0", "&&=&EIO", "transport=%zz", "b64=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q := parseQuery(raw)
		values, err := url.ParseQuery(raw)
		for pair := range strings.SplitSeq(raw, "&") {
			if name, _, _ := strings.Cut(pair, "="); strings.ContainsAny(name, "%+") {
				return
			}
		}
		if err != nil {
			return // net/url leaves pairs out
		}
		if q.version != values.Get("EIO") || q.transport != values.Get("transport") || q.sid != values.Get("sid") || q.jsonp != values.Has("j") ||
			q.base64 != (values.Get("b64") != "" && values.Get("b64") != "0") {
			t.Errorf("%q is %+v, and %v", raw, q, values)
		}
	})
}

// A frame that parseFrame takes is the frame that is built from its results.
func FuzzParseFrame(f *testing.F) {
	f.Add(AppendMessage(nil, MessageText, []byte("hello")), true)
	f.Add(AppendMessage(nil, MessageBinary, []byte{1, 2, 3}), true)
	f.Add(wire.AppendFrame(nil, true, wire.Text, []byte("hello")), false)
	f.Fuzz(func(t *testing.T, b []byte, isPacket bool) {
		one, n, err := parseFrame(b, isPacket)
		if err != nil {
			return
		}
		if n <= 0 || n > len(b) || one.Type != packet.Message {
			t.Fatalf("%+v, %d of %d bytes", one, n, len(b))
		}
		var again []byte
		switch {
		case one.Binary:
			again = AppendMessage(nil, MessageBinary, one.Data)
		case isPacket:
			again = AppendMessage(nil, MessageText, one.Data)
		default:
			again = wire.AppendFrame(nil, true, wire.Text, one.Data)
		}
		if string(again) != string(b[:n]) {
			t.Fatalf("%q became %q", b[:n], again)
		}
	})
}
