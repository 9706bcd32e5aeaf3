package protocol

import (
	"sync/atomic"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Forms are shared by the sockets of all apps with one prefix: how a publication looks
// on the wire, encoded once for all its receivers. There is one for each prefix, and
// it lives as long as the server does. It is safe for concurrent use.
type Forms struct {
	space      Space
	frame      *hub.Form[[]byte]
	message    *hub.Form[*driver.Prepared] // for connections that compress
	positioned *hub.Form[[]byte]           // for clients that asked for positions

	newest atomic.Pointer[members] // that were encoded
}

// NewForms returns the forms of a space.
func NewForms(space Space) *Forms {
	f := &Forms{space: space}
	f.frame = hub.NewForm(func(p *hub.Publication) []byte { return f.encode(p, false) })
	f.positioned = hub.NewForm(func(p *hub.Publication) []byte { return f.encode(p, true) })
	f.message = hub.NewForm(func(p *hub.Publication) *driver.Prepared {
		text := appendPublication(make([]byte, 0, sizeOf(p)), space, p, false)
		if len(text) == 0 {
			return nil
		}
		return prepare(text)
	})
	return f
}

// Space is the space that they are of.
func (f *Forms) Space() Space { return f.space }

func (f *Forms) encode(p *hub.Publication, position bool) []byte {
	text := appendPublication(make([]byte, 0, sizeOf(p)), f.space, p, position)
	if len(text) == 0 {
		return nil
	}
	return frameOf(text)
}

// sizeOf is about the length of an encoding.
func sizeOf(p *hub.Publication) int { return len(p.Data) + len(p.Data)/8 + len(p.Channel) + 160 }

func frameOf(text []byte) []byte {
	return wire.AppendFrame(make([]byte, 0, wire.HeaderBytesMax+len(text)), true, wire.Text, text)
}

func prepare(text []byte) *driver.Prepared {
	m, err := driver.Prepare(driver.MessageText, text)
	if err != nil {
		panic("pusher: what is sent is not UTF-8") // everything that comes from a peer is checked, or replaced
	}
	return m
}

// members are changes of a presence channel as they are sent.
type members struct {
	of      *hub.Changes
	changes []change // what each frame says
	frames  [][]byte
}

// change is the arrival or the leave of a user.
type change struct {
	id      string
	isAdded bool
}

// changes returns c as it is sent. Changes come to all watchers of a channel at about
// the same time, so the newest that were encoded are nearly always wanted next.
func (f *Forms) changes(c *hub.Changes, name string) *members {
	if m := f.newest.Load(); m != nil && m.of == c {
		return m
	}
	m := &members{of: c}
	add := func(list []hub.Member, event string, isAdded bool) {
		for i := range list {
			id, ok := f.space.ID(list[i].User)
			if !ok {
				continue
			}
			one := &Member{ID: id, Info: []byte(list[i].Info)}
			m.changes = append(m.changes, change{id, isAdded})
			m.frames = append(m.frames, frameOf(appendEvent(nil, event, name, appendMember(nil, one, isAdded))))
		}
	}
	add(c.Joined, eventAdded, true)
	add(c.Left, eventRemoved, false)
	f.newest.Store(m)
	return m
}
