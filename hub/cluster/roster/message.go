package roster

import (
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// What nodes tell each other of members begins with the version of its format. A later one
// may add fields at the end of each message and of each member, which are ignored here.
//
//	change:  version previous number count flags  channel node  n×member  n×id  n×id
//	page?:   version list page  channel
//	page:    version number asOf list pages  n×member
//	check?:  version  n×(channel number)
//	check:   version asOf  n×(channel number)
//	count?:  version  n×channel
//	count:   version  n×count
//	member:  length  since id transport user info
//
// Numbers are varints, texts have their length before them, n is how many follow.
const formatVersion = 1

// Bounds of parsed messages.
const (
	textBytesMax   = 1 << 20 // of a user, or of a user's info
	memberBytesMax = 4 << 20
)

var errFormat = errors.New("roster: this is not what a node says of members")

// change is a hub.MembersChange as a node tells it.
type change struct {
	hub.MembersChange
	node     string
	isTooBig bool // it has no members: they are to be asked for
}

const flagTooBig = 1

func appendChange(dst []byte, c *change) []byte {
	dst = append(dst, formatVersion)
	dst = binary.AppendUvarint(dst, c.Previous)
	dst = binary.AppendUvarint(dst, c.Number)
	dst = binary.AppendUvarint(dst, uint64(c.Count))
	flags := uint64(0)
	if c.isTooBig {
		flags |= flagTooBig
	}
	dst = binary.AppendUvarint(dst, flags)
	dst = appendText(dst, c.Channel)
	dst = appendText(dst, c.node)
	dst = appendMembers(dst, c.Joined)
	dst = appendTexts(dst, c.Left)
	return appendTexts(dst, c.Moving)
}

func parseChange(b []byte) (c change, err error) {
	r := reader{b: b}
	r.version()
	c.Previous, c.Number, c.Count = r.number(), r.number(), r.int()
	c.isTooBig = r.number()&flagTooBig != 0
	c.Channel, c.node = r.text(hub.ChannelNameBytesMax), r.text(nodeBytesMax)
	c.Joined, c.Left, c.Moving = r.members(), r.texts(), r.texts()
	if !r.failed && (c.Channel == "" || c.node == "" || c.Number == 0 || c.Previous >= c.Number) {
		r.failed = true
	}
	if r.failed {
		return change{}, errFormat
	}
	return c, nil
}

// nodeBytesMax is the longest ID of a node.
const nodeBytesMax = 64

// pageQuery asks for a page of the members that a node has. list is what the first page
// said, 0 for the first one.
type pageQuery struct {
	channel    string
	list, page uint64
}

func appendPageQuery(dst []byte, q *pageQuery) []byte {
	dst = append(dst, formatVersion)
	dst = binary.AppendUvarint(dst, q.list)
	dst = binary.AppendUvarint(dst, q.page)
	return appendText(dst, q.channel)
}

func parsePageQuery(b []byte) (q pageQuery, err error) {
	r := reader{b: b}
	r.version()
	q = pageQuery{list: r.number(), page: r.number(), channel: r.text(hub.ChannelNameBytesMax)}
	if r.failed || q.channel == "" {
		return pageQuery{}, errFormat
	}
	return q, nil
}

// page is a part of the members that a node has in a channel.
type page struct {
	number, asOf uint64 // see hub.OwnMembers
	list, pages  uint64
	members      []hub.Member
}

func appendPage(dst []byte, p *page) []byte {
	dst = append(dst, formatVersion)
	for _, n := range []uint64{p.number, p.asOf, p.list, p.pages} {
		dst = binary.AppendUvarint(dst, n)
	}
	return appendMembers(dst, p.members)
}

func parsePage(b []byte) (p page, err error) {
	r := reader{b: b}
	r.version()
	p = page{number: r.number(), asOf: r.number(), list: r.number(), pages: r.number()}
	p.members = r.members()
	if r.failed || p.pages > pagesMax {
		return page{}, errFormat
	}
	return p, nil
}

// pagesMax is how many pages a list has at most: millions of members.
const pagesMax = 10_000

// known is how far a node's members in a channel are known.
type known struct {
	channel string
	number  uint64
}

// unknown is the number if none is known.
const unknown = 1<<64 - 1

func appendCheckQuery(dst []byte, list []known) []byte {
	return appendKnown(append(dst, formatVersion), list)
}

func parseCheckQuery(b []byte) ([]known, error) {
	r := reader{b: b}
	r.version()
	list := r.known()
	if r.failed {
		return nil, errFormat
	}
	return list, nil
}

// check is what a node has changed: how far it is in channels of which something else
// is known, as of its last change of all.
type check struct {
	asOf uint64
	news []known
}

func appendCheck(dst []byte, c *check) []byte {
	dst = append(dst, formatVersion)
	return appendKnown(binary.AppendUvarint(dst, c.asOf), c.news)
}

func parseCheck(b []byte) (c check, err error) {
	r := reader{b: b}
	r.version()
	c.asOf = r.number()
	c.news = r.known()
	if r.failed {
		return check{}, errFormat
	}
	return c, nil
}

func appendCountQuery(dst []byte, channels []string) []byte {
	return appendTexts(append(dst, formatVersion), channels)
}

func parseCountQuery(b []byte) (channels []string, err error) {
	r := reader{b: b}
	r.version()
	if channels = r.texts(); r.failed {
		return nil, errFormat
	}
	return channels, nil
}

func appendCounts(dst []byte, counts []int) []byte {
	dst = binary.AppendUvarint(append(dst, formatVersion), uint64(len(counts)))
	for _, n := range counts {
		dst = binary.AppendUvarint(dst, uint64(n))
	}
	return dst
}

func parseCounts(b []byte) (counts []int, err error) {
	r := reader{b: b}
	r.version()
	for n := r.count(); n > 0 && !r.failed; n-- {
		counts = append(counts, r.int())
	}
	if r.failed {
		return nil, errFormat
	}
	return counts, nil
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTexts(dst []byte, list []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendText(dst, s)
	}
	return dst
}

func appendKnown(dst []byte, list []known) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, k := range list {
		dst = binary.AppendUvarint(appendText(dst, k.channel), k.number)
	}
	return dst
}

func appendMembers(dst []byte, members []hub.Member) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(members)))
	var one []byte
	for i := range members {
		one = appendMember(one[:0], &members[i])
		dst = append(binary.AppendUvarint(dst, uint64(len(one))), one...)
	}
	return dst
}

func appendMember(dst []byte, m *hub.Member) []byte {
	dst = binary.AppendUvarint(dst, uint64(m.Since.UnixNano()))
	for _, s := range []string{m.ID, m.Transport, m.User, m.Info} {
		dst = appendText(dst, s)
	}
	return dst
}

// memberBytes is about how long m is.
func memberBytes(m *hub.Member) int {
	return len(m.ID) + len(m.Transport) + len(m.User) + len(m.Info) + 24
}

// reader reads a message. Once something is wrong, all that follows is zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) version() {
	if len(r.b) == 0 || r.b[0] < formatVersion {
		r.failed = true
		return
	}
	r.b = r.b[1:]
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if r.failed || size <= 0 {
		r.failed = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// int is a number that counts something.
func (r *reader) int() int {
	n := r.number()
	if n > 1<<40 {
		r.failed = true
		return 0
	}
	return int(n)
}

// bytes reads bytes that have their length before them. They are a part of the message.
func (r *reader) bytes(max int) []byte {
	n := r.number()
	if r.failed || n > uint64(len(r.b)) || n > uint64(max) {
		r.failed = true
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text(max int) string { return string(r.bytes(max)) }

// count is of things that follow, each of which has a byte at least.
func (r *reader) count() int {
	n := r.number()
	if r.failed || n > uint64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *reader) texts() (list []string) {
	for n := r.count(); n > 0 && !r.failed; n-- {
		list = append(list, r.text(textBytesMax))
	}
	return list
}

func (r *reader) known() (list []known) {
	for n := r.count(); n > 0 && !r.failed; n-- {
		k := known{channel: r.text(hub.ChannelNameBytesMax), number: r.number()}
		if k.channel == "" {
			r.failed = true
		}
		list = append(list, k)
	}
	return list
}

func (r *reader) members() []hub.Member {
	n := r.count()
	list := slices.Grow([]hub.Member(nil), min(n, len(r.b)/6))
	transport := "" // of the one before: there are few of them
	for ; n > 0 && !r.failed; n-- {
		one := reader{b: r.bytes(memberBytesMax), failed: r.failed}
		since := one.number()
		m := hub.Member{Since: time.Unix(0, int64(since)).UTC(), ID: one.text(textBytesMax)}
		if b := one.bytes(textBytesMax); string(b) != transport {
			transport = string(b)
		}
		m.Transport, m.User, m.Info = transport, one.text(textBytesMax), one.text(textBytesMax)
		if one.failed || m.ID == "" || since > 1<<63-1 {
			r.failed = true
			break
		}
		list = append(list, m)
	}
	if len(list) == 0 {
		return nil
	}
	return list
}
