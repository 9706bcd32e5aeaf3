package diskbroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub/membroker"
)

// contents are the files of a directory, by their numbers, which ascend.
type contents struct {
	states, segments []uint64
	temporary        []string // the paths of what was never finished
}

func (b *Broker) scan() (c contents, err error) {
	entries, err := os.ReadDir(b.options.Dir)
	if err != nil {
		return c, err
	}
	for _, e := range entries {
		if n, ok := numberOf(e.Name(), statePrefix); ok {
			c.states = append(c.states, n)
		}
		if n, ok := numberOf(e.Name(), segmentPrefix); ok {
			c.segments = append(c.segments, n)
		}
		if name, ok := strings.CutSuffix(e.Name(), temporarySuffix); ok {
			if _, isState := numberOf(name, statePrefix); isState || name == ownerName {
				c.temporary = append(c.temporary, b.path(e.Name()))
			}
		}
	}
	slices.Sort(c.states)
	slices.Sort(c.segments)
	return c, nil
}

// last is the highest number of all.
func (c *contents) last() (n uint64) {
	for _, list := range [][]uint64{c.states, c.segments} {
		if len(list) > 0 {
			n = max(n, list[len(list)-1])
		}
	}
	return n
}

// findings are what a directory was found to be.
type findings struct {
	owner   owner
	isOwned bool // the file of the owner is whole
	mark    mark
	isMark  bool   // that of the mark is
	loss    string // why something that was acknowledged may be missing; "" if nothing is
	damage  bool   // it is that files are not what they were
}

func (f *findings) lose(damage bool, format string, args ...any) {
	if f.loss == "" {
		f.loss = fmt.Sprintf(format, args...)
	}
	f.damage = f.damage || damage
}

// load reads the directory, which was taken, and begins to write to it.
func (b *Broker) load(ctx context.Context) error {
	began := time.Now()
	text, err := os.ReadFile(b.path(ownerName))
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isNew {
		return fmt.Errorf("diskbroker: %w", err)
	}
	var f findings
	f.owner, f.isOwned = parseOwner(text)
	if f.isOwned && f.owner.Format > formatVersion {
		return &FormatError{Dir: b.options.Dir, Format: f.owner.Format}
	}
	c, err := b.scan()
	if err != nil {
		return fmt.Errorf("diskbroker: %w", err)
	}
	for _, path := range c.temporary {
		if err := os.Remove(path); err != nil {
			return b.wrap(err)
		}
	}
	f.mark, f.isMark = readMark(b.path(markName))
	r, err := b.Recover()
	if err != nil {
		return err
	}
	if isNew && len(c.states)+len(c.segments) == 0 {
		r.End(false)
		return b.begin(1)
	}
	b.judge(&f)
	valid, err := b.read(ctx, r, &c, &f)
	if err != nil {
		return fmt.Errorf("diskbroker: %w", err)
	}
	r.End(f.loss != "")
	stats := b.Stats()
	say := b.options.Logger.Info
	if f.loss != "" {
		say = b.options.Logger.Warn
	}
	say("opened the directory", "dir", b.options.Dir, "channels", stats.Channels, "publications", stats.Publications, "bytes", stats.Bytes, "took", time.Since(began).Round(time.Millisecond).String())
	if f.loss != "" {
		b.options.Logger.Warn("something that was acknowledged may be missing; clients that come back are told of a gap", "dir", b.options.Dir, "because", f.loss)
		return b.beginAgain(&c, &f)
	}
	return b.goOn(&c, &f, valid)
}

// judge finds out from how the directory was left whether what it has is all there was.
func (b *Broker) judge(f *findings) {
	o := &f.owner
	switch {
	case !f.isOwned:
		f.lose(true, "the file %s is damaged", ownerName)
	case o.Identity != identityOf(b.lock) && !b.isMoved():
		f.lose(false, "the directory is a copy, and the original may have gone on")
	case o.Stage == stageGone:
		f.lose(false, "the server went on without the directory")
	case o.Stage != stageClosed && !b.isSameBoot(o) && !o.Always:
		f.lose(false, "the machine has stopped without the server having been stopped before, and what was not synced is lost")
	case !f.isMark:
		f.lose(true, "the file %s is damaged", markName)
	}
}

// isMoved reports whether somebody has said that a directory was moved and is no copy, which counts once.
func (b *Broker) isMoved() bool { return os.Remove(b.path(movedName)) == nil }

func (b *Broker) isSameBoot(o *owner) bool { return o.Boot != "" && o.Boot == b.options.boot() }

// isExact reports whether the log has to reach exactly as far as the mark says: what is behind it was not
// acknowledged.
func (b *Broker) isExact(f *findings) bool {
	return f.isMark && f.isOwned && (f.owner.Stage == stageClosed || b.isSameBoot(&f.owner))
}

// read reads state and log. It returns how much of the last file of the log is good.
func (b *Broker) read(ctx context.Context, r *membroker.Recovery, c *contents, f *findings) (valid int64, err error) {
	first := uint64(1)
	if n := len(c.states); n > 0 {
		first = c.states[n-1]
		if err := b.readState(r, first, f); err != nil {
			return 0, err
		}
	} else {
		f.lose(true, "there is no state")
	}
	c.segments = slices.DeleteFunc(c.segments, func(n uint64) bool { return n < first })
	exact := b.isExact(f)
	for i, n := range c.segments {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if exact && n > f.mark.segment {
			break // it was begun, and nothing in it acknowledged
		}
		if n != first+uint64(i) {
			f.lose(true, "the file %s is missing", numbered(segmentPrefix, first+uint64(i)))
		}
		limit := int64(-1)
		if exact && n == f.mark.segment {
			limit = f.mark.length
		}
		end, err := b.readSegment(r, n, limit)
		if err != nil && !errors.Is(err, errTorn) && !errors.Is(err, errDamaged) {
			return 0, err
		}
		valid = end
		isLast := i == len(c.segments)-1 || exact && n == f.mark.segment
		switch {
		case err != nil && !isLast:
			f.lose(true, "the file %s cannot be read behind byte %d: %v", numbered(segmentPrefix, n), end, err)
		case n == f.mark.segment && f.isMark && end < f.mark.length:
			f.lose(true, "the file %s was acknowledged up to byte %d, and is good up to byte %d", numbered(segmentPrefix, n), f.mark.length, end)
		case errors.Is(err, errDamaged) && !exact:
			f.lose(true, "the file %s cannot be read behind byte %d: %v", numbered(segmentPrefix, n), end, err)
		}
		// After damage the files behind it are read all the same. They have what is newest, and what
		// was cleared. Of channels that miss something only what came after that is held.
	}
	if f.isMark && !slices.Contains(c.segments, f.mark.segment) {
		f.lose(true, "the file %s is missing, in which something was acknowledged", numbered(segmentPrefix, f.mark.segment))
	}
	return valid, nil
}

// readState reads the state with this number.
func (b *Broker) readState(r *membroker.Recovery, number uint64, f *findings) error {
	file, err := os.Open(b.statePath(number))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	u, err := newUnsealer(file, info.Size(), number)
	if err == nil {
		err = r.State(u)
	}
	if err == nil {
		_, err = u.Read(make([]byte, 1)) // the end has to be there
		if err == io.EOF {
			err = nil
		}
	}
	if err != nil {
		var failed *fs.PathError
		if errors.As(err, &failed) {
			return err // it could not be read, which is not for us to mend
		}
		f.lose(true, "the file %s is damaged: %v", numbered(statePrefix, number), err)
	}
	b.stateBytes.Store(info.Size())
	return nil
}

// readSegment reads a file of the log up to limit, or to its end if that is negative, and returns up to where it is
// good. The error is errTorn or errDamaged if there is more.
func (b *Broker) readSegment(r *membroker.Recovery, number uint64, limit int64) (end int64, err error) {
	text, err := os.ReadFile(b.segmentPath(number))
	if err != nil {
		return 0, err
	}
	if limit >= 0 && limit < int64(len(text)) {
		text = text[:limit]
	}
	salt, err := parseSegmentHead(text, number)
	if err != nil {
		return 0, err
	}
	end = segmentHeadBytes
	for end < int64(len(text)) {
		record, n, err := ParseFrame(text[end:], salt, end)
		if err != nil {
			return end, err
		}
		if r.Record(record) != nil {
			return end, errDamaged
		}
		end += int64(n)
	}
	return end, nil
}

// begin begins a directory, or another epoch in it: the state is written first, with this number.
func (b *Broker) begin(number uint64) error {
	if err := b.writeState(number); err != nil {
		return b.wrap(err)
	}
	return b.wrap(b.run(number))
}

func (b *Broker) wrap(err error) error {
	if err != nil {
		err = fmt.Errorf("diskbroker: %w", err)
	}
	return err
}

// beginAgain writes what was read as it is now, in its other epoch, and then removes what was read, or sets it aside.
func (b *Broker) beginAgain(c *contents, f *findings) error {
	if f.damage {
		if err := b.setAside(); err != nil {
			return fmt.Errorf("diskbroker: %w", err)
		}
	}
	return b.begin(c.last() + 1)
}

// setAside keeps what was found damaged, in place of what was before.
func (b *Broker) setAside() error {
	aside := b.path(damagedName)
	if err := errors.Join(os.RemoveAll(aside), os.Mkdir(aside, dirMode)); err != nil {
		return err
	}
	c, err := b.scan()
	if err != nil {
		return err
	}
	for _, n := range c.states {
		err = errors.Join(err, os.Link(b.statePath(n), b.path(damagedName+"/"+numbered(statePrefix, n))))
	}
	for _, n := range c.segments {
		err = errors.Join(err, os.Link(b.segmentPath(n), b.path(damagedName+"/"+numbered(segmentPrefix, n))))
	}
	if err != nil {
		b.options.Logger.Warn("what was found damaged cannot be set aside", "dir", b.options.Dir, "error", err)
	}
	return nil
}

// goOn goes on in a directory that has everything, behind the good part of the last file. What is behind that was
// not acknowledged, and goes.
func (b *Broker) goOn(c *contents, f *findings, valid int64) error {
	last := c.segments[len(c.segments)-1]
	if b.isExact(f) {
		last = f.mark.segment
	}
	var since int64
	files := int32(0)
	for _, n := range c.segments {
		path := b.segmentPath(n)
		if n > last {
			if err := os.Remove(path); err != nil {
				return b.wrap(err)
			}
			continue
		}
		size, err := b.secure(path, n == last, valid)
		if err != nil {
			return b.wrap(err)
		}
		since += size
		files++
	}
	if err := b.run(last + 1); err != nil {
		return b.wrap(err)
	}
	if b.journal.log.since.Add(since) > b.logBytesMax() || b.journal.log.files.Add(files) > segmentsMax {
		b.wantState()
	}
	return b.wrap(b.removeBefore(c.states[len(c.states)-1]))
}

// secure has a file of the log be safe, after it was cut if that is meant, and returns how long it is.
func (b *Broker) secure(path string, cut bool, length int64) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	w, err := b.options.create(path, os.O_WRONLY)
	if err != nil {
		return 0, err
	}
	if !cut {
		length = info.Size()
	} else if length < info.Size() {
		err = w.Truncate(length)
	}
	return length, errors.Join(err, w.Sync(), w.Close())
}
