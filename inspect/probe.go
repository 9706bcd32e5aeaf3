package inspect

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// probe makes a handshake with one thing changed, and notes how it went.
func (in *inspector) probe(ctx context.Context, t *target, s spec, change string) Probe {
	began := time.Now()
	a := in.attempt(ctx, t, s)
	p := Probe{Change: change, Took: time.Since(began), Opened: a.opened() && !s.plain}
	switch {
	case a.stage != answered:
		p.Outcome = a.x.Error
	case p.Opened:
		p.Status, p.Outcome = a.head.status, "a WebSocket opened"
	default:
		p.Status, p.Outcome = a.head.status, printable(a.head.start, quotedBytesMax)
		in.isGodwit = in.isGodwit || problemOf(a).godwit() != ""
	}
	if p.Opened {
		a.leave()
	}
	a.close()
	in.report.Probes = append(in.report.Probes, p)
	return p
}

// leave says goodbye on a connection that was only probed.
func (a *attempt) leave() {
	a.conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = a.conn.Write(appendFrame(nil, wire.Close, 0, wire.AppendClose(nil, wire.CloseNormal, ""))) // as a courtesy
}

// probeTLS makes a TLS handshake and no more. describe is called if one was
// agreed, and says how it went.
func (in *inspector) probeTLS(ctx context.Context, t *target, s spec, change string, describe func(*TLS) string) {
	began := time.Now()
	x := new(Exchange)
	p := Probe{Change: change}
	nc, _, err := in.connect(ctx, t.host(), t.port(), x)
	if err == nil {
		var secure interface{ Close() error }
		secure, _, err = in.startTLS(ctx, nc, t, s, x)
		if err == nil {
			secure.Close()
		}
		nc.Close()
	}
	switch {
	case x.TLS != nil:
		p.Outcome = describe(x.TLS)
	default:
		p.Outcome = explainError(err)
	}
	p.Took = time.Since(began)
	in.report.Probes = append(in.report.Probes, p)
}

// appendFrame appends a whole frame as a client sends it: masked with a fresh key
// (RFC 6455 §5.3).
func appendFrame(dst []byte, op wire.Opcode, rsv uint8, payload []byte) []byte {
	var key [4]byte
	rand.Read(key[:])
	dst = wire.AppendHeader(dst, wire.Header{Fin: true, RSV: rsv, Opcode: op, Masked: true, Mask: key, Length: int64(len(payload))})
	start := len(dst)
	dst = append(dst, payload...)
	wire.Mask(dst[start:], key, 0)
	return dst
}
