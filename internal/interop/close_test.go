package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

var closes = []struct {
	code   int // 0: none
	reason string
}{
	{1000, ""},
	{1000, "bye"},
	{1001, "going away"},
	{1011, "an error"},
	{3000, "registered"},
	{4999, strings.Repeat("ä", 61) + "."}, // the longest, 123 bytes
	{0, ""},
}

// onWire is the code that both sides see for a code that was sent or not.
func onWire(code int) ws.StatusCode {
	if code == 0 {
		return wire.CloseNoStatus
	}
	return ws.StatusCode(code)
}

func testCloseByGodwit(t *testing.T, p *peer, r role) {
	for _, c := range closes {
		t.Run(fmt.Sprint(c.code, c.reason), func(t *testing.T) {
			n, f := connect(t, p, r, setting{})
			n.send(t, false, "the last message")
			if err := n.Close(onWire(c.code), c.reason); err != nil {
				t.Error(err)
			}
			f.wantsMessage(t, false, "the last message")
			f.wantsClosed(t, int(onWire(c.code)), c.reason)
			// The peers echo the code; whether the reason too is theirs to choose.
			if e := n.Err().(*ws.CloseError); e.Code != onWire(c.code) || e.Sent != onWire(c.code) || e.Err != nil {
				t.Errorf("ended with %+v", e)
			}
		})
	}
}

func testCloseByPeer(t *testing.T, p *peer, r role) {
	for _, c := range closes {
		t.Run(fmt.Sprint(c.code, c.reason), func(t *testing.T) {
			n, f := connect(t, p, r, setting{})
			f.send(false, "the last message")
			f.do(command{Do: "close", Code: c.code, Reason: c.reason})
			n.wantsMessage(t, false, "the last message")
			if e := n.wantsEnd(t, onWire(c.code), c.reason, onWire(c.code)); e.Err != nil {
				t.Error(e.Err)
			}
			if ev := f.wants(t, "closed"); ev.Code != int(onWire(c.code)) {
				t.Errorf("the peer tells %+v", ev)
			}
		})
	}
}

// faults are bytes that no side may send. The mask is all zero.
func faults(byClient bool) map[string]struct {
	frame []byte
	code  ws.StatusCode
} {
	frame := func(first byte, payload string) []byte {
		if byClient {
			return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
		}
		return append([]byte{first, byte(len(payload))}, payload...)
	}
	wrongMask := []byte{0x81, 0x01, 'x'}
	if !byClient {
		wrongMask = []byte{0x81, 0x81, 0, 0, 0, 0, 'x'}
	}
	return map[string]struct {
		frame []byte
		code  ws.StatusCode
	}{
		"reserved bit":             {frame(0x80|0x20|0x1, "x"), wire.CloseProtocolError},
		"reserved opcode":          {frame(0x83, "x"), wire.CloseProtocolError},
		"reserved control opcode":  {frame(0x8b, ""), wire.CloseProtocolError},
		"fragmented ping":          {frame(0x09, ""), wire.CloseProtocolError},
		"nothing to continue":      {frame(0x80, "x"), wire.CloseProtocolError},
		"close code nobody sends":  {frame(0x88, "\x03\xed"), wire.CloseProtocolError}, // 1005
		"close frame of one byte":  {frame(0x88, "\x03"), wire.CloseProtocolError},
		"text that is no UTF-8":    {frame(0x81, "\xff"), wire.CloseInvalidPayload},
		"surrogate in text":        {frame(0x81, "\xed\xa0\x80"), wire.CloseInvalidPayload},
		"mask of the other side's": {wrongMask, wire.CloseProtocolError},
	}
}

func testFaultsOfPeer(t *testing.T, p *peer, r role) {
	for name, fault := range faults(r == asServer) {
		t.Run(name, func(t *testing.T) {
			n, f := connect(t, p, r, setting{})
			f.do(command{Do: "raw", Data: fault.frame})
			if e := n.wantsEnd(t, wire.CloseAbnormal, "", fault.code); e.Err == nil {
				t.Error("no error says what was wrong")
			}
			// Its close frame is answered and its reason tells a developer more.
			if ev := f.wants(t, "closed"); ev.Code != int(fault.code) || ev.Reason == "" {
				t.Errorf("the peer tells %+v, want code %d", ev, fault.code)
			}
		})
	}
}

func testFaultsOfGodwit(t *testing.T, p *peer, r role) {
	for name, fault := range faults(r == asClient) {
		t.Run(name, func(t *testing.T) {
			n, f := connect(t, p, r, setting{})
			if _, err := n.NetConn().Write(fault.frame); err != nil {
				t.Fatal(err)
			}
			<-n.Done()
			e := n.Err().(*ws.CloseError)
			if e.Code != fault.code || e.Sent != fault.code || e.Err != nil {
				t.Errorf("ended with %+v (%v), want %d", e, e.Err, fault.code)
			}
			f.wants(t, "closed")
		})
	}
}

func testLimits(t *testing.T, p *peer, r role) {
	const limit = 1000
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("compressed %t", compressed), func(t *testing.T) {
			o := setting{peer: options{Max: limit}, ws: ws.Options{MessageBytesMax: limit}}
			if compressed {
				o.peer.Deflate = new(params)
				o.ws.Compression = compression(o.peer.Deflate)
			}
			exact, more := strings.Repeat("m", limit), strings.Repeat("m", limit+1)

			n, f := connect(t, p, r, o)
			f.send(false, exact)
			n.wantsMessage(t, false, exact)
			f.send(false, more)
			n.wantsEnd(t, wire.CloseAbnormal, "", ws.StatusMessageTooBig)
			if ev := f.wants(t, "closed"); ev.Code != 1009 {
				t.Errorf("the peer tells %+v", ev)
			}

			n, f = connect(t, p, r, o)
			n.send(t, false, exact)
			f.wantsMessage(t, false, exact)
			n.send(t, false, more)
			<-n.Done()
			if code := ws.CloseStatus(n.Err()); code != ws.StatusMessageTooBig {
				t.Errorf("ended with %v", n.Err())
			}
			f.wants(t, "closed")
		})
	}
}

func testAbruptEnds(t *testing.T, p *peer, r role) {
	n, f := connect(t, p, r, setting{})
	n.send(t, false, "open")
	f.wantsMessage(t, false, "open")
	f.do(command{Do: "abort"})
	if e := n.wantsEnd(t, wire.CloseAbnormal, "", 0); e.Err == nil {
		t.Error("no error says how it ended")
	}
	f.wantsClosed(t, 1006, "")

	n, f = connect(t, p, r, setting{})
	n.CloseNow()
	f.wantsClosed(t, 1006, "")
}
