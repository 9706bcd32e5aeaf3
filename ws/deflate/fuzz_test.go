package deflate

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

// Whatever is offered, the same client would accept the answer,
// and within what it offered.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{
		pmd, pmd + "; client_max_window_bits", pmd + `; server_max_window_bits="10"`, pmd + "; server_max_window_bits=08, " + pmd,
		pmd + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=15",
		pmd + "; client_max_window_bits; client_max_window_bits=10", "foo, " + pmd + "; foo=bar",
	} {
		f.Add(s, uint8(0), uint8(0))
		f.Add(s, uint8(9), uint8(12))
	}
	f.Fuzz(func(t *testing.T, field string, serverBits, clientBits uint8) {
		offers, err := handshake.ParseExtensions([]string{field})
		if err != nil {
			return
		}
		o := &Options{ServerMaxWindowBits: int(serverBits), ClientMaxWindowBits: int(clientBits)}
		p, response, ok := Accept(offers, o)
		if !ok {
			return
		}
		if p.ServerMaxWindowBits > windowBits(int(serverBits)) {
			t.Fatalf("%q: %+v is more than was wanted", field, p)
		}
		b, err := handshake.AppendExtension(nil, response)
		if err != nil {
			t.Fatalf("%q: %+v cannot be written: %v", field, response, err)
		}
		again, err := handshake.ParseExtensions([]string{string(b)})
		if err != nil {
			t.Fatalf("%q: the answer %q: %v", field, b, err)
		}
		for _, offer := range offers {
			if q, ok, err := CheckResponse(again, offer); err == nil && ok && p == q {
				return
			}
		}
		t.Fatalf("%q: the answer %q suits none of the alternatives", field, b)
	})
}

// Whatever a server answers, the agreed parameters are in range.
func FuzzCheckResponse(f *testing.F) {
	for _, offer := range []string{pmd, pmd + "; client_max_window_bits", pmd + "; server_max_window_bits=10; client_max_window_bits=9"} {
		for _, s := range []string{"", pmd, pmd + "; server_max_window_bits=9; client_max_window_bits=8", pmd + "; foo", pmd + "," + pmd} {
			f.Add(s, offer)
		}
	}
	f.Fuzz(func(t *testing.T, field, offer string) {
		accepted, err := handshake.ParseExtensions([]string{field})
		offers, err2 := handshake.ParseExtensions([]string{offer})
		if err != nil || err2 != nil || len(offers) == 0 {
			return
		}
		p, ok, err := CheckResponse(accepted, offers[0])
		if ok != (p != Params{}) || ok && err != nil {
			t.Fatalf("%q: %+v, %t, %v", field, p, ok, err)
		}
		if ok && (p.ServerMaxWindowBits != windowBits(p.ServerMaxWindowBits) || p.ClientMaxWindowBits != windowBits(p.ClientMaxWindowBits)) {
			t.Fatalf("%q: %+v", field, p)
		}
	})
}

// Any bytes as two messages: the reference, compress/flate and every chunking
// agree on what they inflate to, or that they do not.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{-2, 0, 1, 9} {
		c := stdDeflate(f, conversations["json"][1:3], level, true)
		f.Add(c[0], c[1], uint8(15), uint64(level))
		f.Add(c[1], []byte{0}, uint8(31), uint64(level))
	}
	for _, s := range []string{"", "\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"} {
		f.Add([]byte(s), []byte("\xf2\x00\x11\x00\x00"), uint8(8), uint64(1))
	}
	o := Options{MessageBytesMax: 1 << 16, RatioMax: 200, RatioFloorBytes: 1 << 12}.WithDefaults()
	f.Fuzz(func(t *testing.T, first, second []byte, bits uint8, seed uint64) {
		dir := Direction{NoContextTakeover: bits&16 != 0, WindowBits: 8 + int(bits%8)}
		r := rand.New(rand.NewPCG(seed, 0))
		whole, parts := NewInflater(dir, &o), NewInflater(dir, &o)
		var before []byte
		for _, m := range [][]byte{first, second} {
			want, wantErr := whole.Append(nil, m, true)
			got, err := inParts(parts, m, func(int) int { return r.IntN(12) }, 1+r.IntN(1<<r.IntN(12)))
			if err != wantErr || err == nil && !bytes.Equal(got, want) {
				t.Fatalf("in parts: %d bytes, %v, whole: %d bytes, %v", len(got), err, len(want), wantErr)
			}
			if len(want) > 1<<16 {
				t.Fatalf("%d bytes are more than the limit", len(want))
			}
			if wantErr == ErrTooBig || wantErr == ErrRatio {
				return
			}
			ref, _, refErr := referenceInflate(m, before, 1<<dir.WindowBits)
			if (refErr == nil) != (err == nil) || err == nil && !bytes.Equal(ref, got) {
				t.Fatalf("%d bytes, %v, the reference: %d bytes, %v", len(got), err, len(ref), refErr)
			}
			if err != nil {
				return
			}
			if len(m) > 0 { // compress/flate has no empty messages
				if std, err := stdInflate(m, before); err != nil || !bytes.Equal(std, got) {
					t.Fatalf("%d bytes, compress/flate: %d bytes, %v", len(got), len(std), err)
				}
			}
			if !dir.NoContextTakeover {
				before = append(before, got...)
			}
		}
	})
}

// Whatever is sent, the reference and the inflater get it back, also in parts.
func FuzzDeflate(f *testing.F) {
	for _, name := range []string{"json", "empty", "runs"} {
		for i, m := range conversations[name] {
			if len(m) < 1000 { // long seeds take the fuzzer's time
				f.Add(m, m[len(m)/2:], uint8(8*i+i%3))
			}
		}
	}
	f.Fuzz(func(t *testing.T, first, second []byte, bits uint8) {
		dir := Direction{NoContextTakeover: bits&16 != 0, WindowBits: 8 + int(bits%8)}
		o := Options{HistoryBits: 15, Level: Level(bits >> 5 & 1), MessageBytesMax: NoLimit, RatioMax: NoLimit}.WithDefaults()
		d, f := NewDeflater(dir, &o), NewInflater(dir, &o)
		var before []byte
		sent := func(c, m []byte) {
			t.Helper()
			ref, _, err := referenceInflate(c, before, 1<<dir.WindowBits)
			if err != nil || !bytes.Equal(ref, m) {
				t.Fatalf("%x became %x: the reference: %x, %v", m, c, ref, err)
			}
			got, err := f.Append(nil, c, true)
			if err != nil || !bytes.Equal(got, m) {
				t.Fatalf("%x became %x: %x, %v", m, c, got, err)
			}
			if !dir.NoContextTakeover {
				before = append(before, m...)
			}
		}
		sent(d.Append(nil, first), first)
		if c, ok := d.TryAppend(nil, second); ok {
			sent(c, second)
		}
		c := d.AppendPart(nil, second, false)
		sent(d.AppendPart(c, first, true), append(bytes.Clone(second), first...))
		prepared := Append(nil, first, dir, &o)
		d.Learn(first)
		sent(prepared, first)
		sent(d.Append(nil, second), second)
	})
}
