package main

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
)

// serveGobwas upgrades on the connection itself, which is what the library is
// for, and reads and writes as its README does first: with wsutil and without
// buffers, which keeps connections small and takes several system calls for a
// message.
func serveGobwas(ln net.Listener, kind string) error {
	var fanout room[[]byte]
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			var upgrader ws.Upgrader
			extension := wsflate.Extension{Parameters: wsflate.DefaultParameters} // no context takeover
			if kind == kindDeflate {
				upgrader.Negotiate = extension.Negotiate
			}
			if _, err := upgrader.Upgrade(conn); err != nil {
				return
			}
			switch kind {
			case kindDeflate:
				for {
					if gobwasDeflated(conn) != nil {
						return
					}
				}
			case kindFanout:
				defer fanout.join(func(frame []byte) error {
					_, err := conn.Write(frame)
					return err
				})()
				for {
					message, op, err := wsutil.ReadClientData(conn)
					if err != nil {
						return
					}
					if frame, err := ws.CompileFrame(ws.NewFrame(op, true, message)); err == nil {
						fanout.publish(frame)
					}
				}
			default:
				for {
					message, op, err := wsutil.ReadClientData(conn)
					if err != nil || wsutil.WriteServerMessage(conn, op, message) != nil {
						return
					}
				}
			}
		}()
	}
}

// The library's helpers for whole frames make a compressor for each. Its readers
// and writers can be used again, so they are.
var (
	gobwasReaders = sync.Pool{New: func() any {
		return wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return inflater{flate.NewReader(r)} })
	}}
	gobwasWriters = sync.Pool{New: func() any {
		return wsflate.NewWriter(nil, func(w io.Writer) wsflate.Compressor {
			deflater, _ := flate.NewWriter(w, flate.BestSpeed) // the level is one that exists
			return deflater
		})
	}}
)

// inflater has the Reset that the library looks for.
type inflater struct{ io.ReadCloser }

func (i inflater) Reset(r io.Reader) { _ = i.ReadCloser.(flate.Resetter).Reset(r, nil) }

// gobwasDeflated echoes one message.
func gobwasDeflated(conn net.Conn) error {
	frame, err := ws.ReadFrame(conn)
	if err != nil {
		return err
	}
	frame = ws.UnmaskFrameInPlace(frame)
	if frame.Header.OpCode.IsControl() {
		return wsutil.ControlHandler{Src: bytes.NewReader(frame.Payload), Dst: conn, State: ws.StateServerSide, DisableSrcCiphering: true}.Handle(frame.Header)
	}
	message := frame.Payload
	if compressed, err := wsflate.IsCompressed(frame.Header); err != nil {
		return err
	} else if compressed {
		r := gobwasReaders.Get().(*wsflate.Reader)
		defer gobwasReaders.Put(r)
		r.Reset(bytes.NewReader(frame.Payload))
		if message, err = io.ReadAll(io.LimitReader(r, messageBytesMax)); err != nil {
			return err
		}
	}
	var out bytes.Buffer
	w := gobwasWriters.Get().(*wsflate.Writer)
	defer gobwasWriters.Put(w)
	w.Reset(&out)
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	answer := ws.NewFrame(frame.Header.OpCode, true, out.Bytes())
	if answer.Header, err = wsflate.SetBit(answer.Header); err != nil {
		return err
	}
	return ws.WriteFrame(conn, answer)
}
