package pubcodec

import (
	"bytes"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// The flags say what follows.
const (
	hasPublisher = 1 << iota
	hasEvent
	hasUser
	hasKey
	hasExclude
	hasExpires
	hasTrace
	hasAttributes
)

// The first byte of a content is its kind, and its shape above that.
const shapeShift = 2

// AppendPublication appends p without its channel and its epoch.
func AppendPublication(dst []byte, p *hub.Publication) []byte {
	dst = AppendUint(dst, p.Position.Offset)
	dst = AppendUint(dst, p.Previous)
	dst = appendTime(dst, p.Time)
	return appendContent(dst, p.Kind, p.Data, p.Publisher, p.Attributes)
}

// Publication takes what AppendPublication has appended. The payload is a copy.
func (f *Fields) Publication(channel, epoch string) *hub.Publication {
	p := &hub.Publication{Channel: channel, Position: hub.Position{Epoch: epoch, Offset: f.Uint()}}
	p.Previous = f.Uint()
	p.Time = f.time()
	p.Kind, p.Data, p.Publisher, p.Attributes = f.content()
	return p
}

// AppendMessage appends m.
func AppendMessage(dst []byte, m *hub.Message) []byte {
	dst = AppendString(dst, m.Channel)
	dst = AppendString(dst, m.IdempotencyKey)
	return appendContent(dst, m.Kind, m.Data, m.Publisher, m.Attributes)
}

// Message takes what AppendMessage has appended. The payload is a copy.
func (f *Fields) Message() hub.Message {
	m := hub.Message{Channel: f.String(), IdempotencyKey: f.String()}
	m.Kind, m.Data, m.Publisher, m.Attributes = f.content()
	return m
}

// AppendRetention appends r.
func AppendRetention(dst []byte, r hub.Retention) []byte {
	dst = AppendInt(dst, int64(r.Count))
	dst = AppendInt(dst, int64(r.Age))
	return AppendInt(dst, int64(r.KeyAge))
}

// Retention takes what AppendRetention has appended.
func (f *Fields) Retention() hub.Retention {
	return hub.Retention{Count: int(f.Int()), Age: time.Duration(f.Int()), KeyAge: time.Duration(f.Int())}
}

// AppendPosition appends p.
func AppendPosition(dst []byte, p hub.Position) []byte {
	return AppendUint(AppendString(dst, p.Epoch), p.Offset)
}

// Position takes what AppendPosition has appended.
func (f *Fields) Position() hub.Position { return hub.Position{Epoch: f.String(), Offset: f.Uint()} }

// AppendGap appends g.
func AppendGap(dst []byte, g *hub.Gap) []byte {
	dst = AppendPosition(AppendPosition(dst, g.From), g.To)
	return AppendInt(append(dst, byte(g.Reason)), int64(g.Count))
}

// Gap takes what AppendGap has appended.
func (f *Fields) Gap() *hub.Gap {
	g := &hub.Gap{From: f.Position(), To: f.Position(), Reason: hub.GapReason(f.Byte())}
	g.Count = int(f.Int())
	if g.Reason > hub.GapRate {
		f.fail()
	}
	return g
}

// AppendQuery appends q.
func AppendQuery(dst []byte, q hub.Query) []byte {
	dst = AppendPosition(dst, q.Since)
	return AppendInt(AppendInt(dst, int64(q.Last)), int64(q.Limit))
}

// Query takes what AppendQuery has appended.
func (f *Fields) Query() hub.Query {
	return hub.Query{Since: f.Position(), Last: int(f.Int()), Limit: int(f.Int())}
}

// AppendChannelInfo appends c without its subscribers.
func AppendChannelInfo(dst []byte, c *hub.ChannelInfo) []byte {
	dst = AppendString(dst, c.Name)
	dst = AppendInt(dst, int64(c.Publications))
	return AppendPosition(dst, c.Position)
}

// ChannelInfo takes what AppendChannelInfo has appended.
func (f *Fields) ChannelInfo() hub.ChannelInfo {
	return hub.ChannelInfo{Name: f.String(), Publications: int(f.Int()), Position: f.Position()}
}

func appendContent(dst []byte, kind hub.Kind, data []byte, publisher string, a *hub.Attributes) []byte {
	var flags byte
	set := func(is bool, flag byte) {
		if is {
			flags |= flag
		}
	}
	set(publisher != "", hasPublisher)
	if a != nil {
		flags |= hasAttributes
		set(a.Event != "", hasEvent)
		set(a.User != "", hasUser)
		set(a.Key != "", hasKey)
		set(a.Exclude != "", hasExclude)
		set(!a.Expires.IsZero(), hasExpires)
		set(a.Trace != "", hasTrace)
	}
	first := byte(kind)
	if a != nil {
		first |= byte(a.Shape) << shapeShift
	}
	dst = append(dst, first, flags)
	dst = AppendBytes(dst, data)
	if publisher != "" {
		dst = AppendString(dst, publisher)
	}
	if a == nil {
		return dst
	}
	for _, text := range [...]string{a.Event, a.User, a.Key, a.Exclude, a.Trace} {
		if text != "" {
			dst = AppendString(dst, text)
		}
	}
	if flags&hasExpires != 0 {
		dst = appendTime(dst, a.Expires)
	}
	return dst
}

func (f *Fields) content() (kind hub.Kind, data []byte, publisher string, a *hub.Attributes) {
	first := f.Byte()
	kind, shape := hub.Kind(first&(1<<shapeShift-1)), hub.Shape(first>>shapeShift)
	flags := f.Byte()
	data = bytes.Clone(f.Bytes())
	if data == nil {
		data = []byte{}
	}
	text := func(flag byte) (s string) {
		if flags&flag != 0 {
			s = f.String()
		}
		return s
	}
	publisher = text(hasPublisher)
	if flags&hasAttributes == 0 {
		if flags&^hasPublisher != 0 || shape != 0 {
			f.fail()
		}
		return kind, data, publisher, nil
	}
	a = &hub.Attributes{Event: text(hasEvent), User: text(hasUser), Key: text(hasKey), Exclude: text(hasExclude), Trace: text(hasTrace), Shape: shape}
	if flags&hasExpires != 0 {
		a.Expires = f.time()
	}
	return kind, data, publisher, a
}
