package drivertest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// conversation is what a peer says, and what comes of it.
type conversation struct {
	name  string
	send  []part
	heard []string // messages that the application gets, as Message.String shows them
	told  []string // what comes back, as wstest.Frame.String shows it; a close frame without its reason is one with any

	// end is what the application is told at last. An empty one means that the
	// connection goes on: the peer closes it with 1000 then.
	end  string
	late bool // the peer goes on behind its close frame, which may lead to a reset
}

// cut is a way of sending a conversation.
type cut struct {
	name   string
	pieces func(frames [][]byte) [][]byte
	early  bool // together with the opening handshake
}

// cutBytesMax is the longest conversation that is sent byte by byte.
const cutBytesMax = 4096

var cuts = []cut{
	{"whole", func(frames [][]byte) [][]byte { return [][]byte{bytes.Join(frames, nil)} }, false},
	{"frame by frame", func(frames [][]byte) [][]byte { return frames }, false},
	{"byte by byte", func(frames [][]byte) [][]byte {
		return slices.Collect(slices.Chunk(bytes.Join(frames, nil), 1))
	}, false},
	{"with the handshake", func(frames [][]byte) [][]byte { return [][]byte{bytes.Join(frames, nil)} }, true},
	{"with more behind", func(frames [][]byte) [][]byte { return [][]byte{append(bytes.Join(frames, nil), "noise"...)} }, false},
}

// conversationRows are the tables, each conversation cut in every way, on one
// connection after another of the same driver.
func conversationRows() []row {
	limits := Options{MessageBytesMax: 1000, FragmentsMax: 10}
	var rows []row
	for _, table := range []struct {
		name  string
		cases []conversation
	}{{"messages", messages}, {"closes", peerCloses()}, {"faults", faults()}, {"masks", masks()}} {
		rows = append(rows, row{"conversations/" + table.name, 0, func(s *scene) {
			s.options = limits
			s.converseAll(table.cases, func(behind []byte) *peer { return s.upgrade(behind) })
		}})
	}
	return rows
}

func (s *scene) converseAll(cases []conversation, upgrade func(behind []byte) *peer) {
	for i, v := range cases {
		var frames [][]byte
		for _, a := range v.send {
			frames = append(frames, a.encode(!s.d.Client))
		}
		size := len(bytes.Join(frames, nil))
		for j, cut := range cuts {
			switch {
			case s.d.Secure && j != i%len(cuts): // its handshakes take long, so one way must do
			case cut.name == "byte by byte" && size > cutBytesMax:
			case cut.name == "with more behind" && (v.end == "" || v.late || !isFault(v.end)):
			default:
				if !s.converse(&v, cut, frames, upgrade) {
					s.Fatalf("%s, %s", v.name, cut.name)
				}
			}
		}
	}
}

// converse plays one conversation on a connection of its own.
func (s *scene) converse(v *conversation, cut cut, frames [][]byte, upgrade func(behind []byte) *peer) bool {
	done := false
	defer func() {
		if !done { // a helper has ended the test
			s.Logf("%s, %s:", v.name, cut.name)
		}
	}()
	pieces := cut.pieces(frames)
	var early []byte
	if cut.early {
		early, pieces = pieces[0], nil
	}
	p := upgrade(early)
	next(s, s.opened)
	for _, b := range pieces {
		// Behind a close frame or a fault the transport may be closed by now. What
		// is lost before one is missed below.
		if _, err := p.nc.Write(bytes.Clone(b)); err != nil {
			break
		}
		s.settle()
	}
	for _, want := range v.told {
		p.wantFrame(want)
	}
	end := v.end
	switch {
	case end == "":
		p.bye()
		end = `1000 "", sent 1000`
	case v.late && !s.d.Client:
		if f, err := p.Receive(); err == nil {
			s.Fatalf("peer: got %v behind the close frame", f)
		}
	case isFault(end):
		p.WantEnd()
	default:
		p.wantOver()
	}
	p.Hangup()
	s.hears(v.heard...)
	e := next(s, s.ended)
	if got := fmt.Sprintf("%d %q, sent %d", e.Code, e.Reason, e.Sent); got != end || (e.Err != nil) != isFault(end) {
		s.Errorf("the end is %v, want %s", e, end)
	}
	s.hearsNoMore()
	done = true
	return !s.Failed()
}

func isFault(end string) bool { return strings.HasPrefix(end, "1006 ") }

// wantFrame receives a frame as wstest.Peer.Want does.
func (p *peer) wantFrame(want string) {
	p.s.Helper()
	var code wire.CloseCode
	if n, _ := fmt.Sscanf(want, "close %d", &code); n == 1 && !strings.Contains(want, `"`) {
		p.wantCode(code)
		return
	}
	p.Want(want)
}
