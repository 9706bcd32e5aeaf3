package redisbroker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// lane has the messages to publish in a partition. One goroutine at a time calls Redis for it, so
// that the positions ascend in the order of Publish whatever becomes of a call. What
// comes meanwhile goes into the next one.
type lane struct {
	mu       sync.Mutex // guards what follows
	waiting  []publishing
	running  bool
	failed   error     // what others are told, as the last call was in vain; nil if it was not
	failedAt time.Time // when that was

	lives lives // of the goroutine that runs
}

// publishing is a publication without an outcome.
type publishing struct {
	message  hub.Message
	keep     hub.Retention
	to       hub.Completer
	ticket   uint64
	deadline time.Time
}

// publishingBytes is what one costs besides its payload.
const publishingBytes = 512

func (p *publishing) bytes() int64 { return int64(len(p.message.Data)) + publishingBytes }

// Publish implements hub.Broker. A message that is certainly not published is tried again for
// five seconds, while a replica becomes the master, for example. An outcome that nobody
// knows is hub.ErrUnanswered. After an attempt in vain others are ErrUnusable at once, until
// one of each second, or the goroutine that watches Redis, finds that it can be used.
func (b *Broker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	if err := b.publish(publishing{m, r, to, ticket, time.Now().Add(publishTimeout)}); err != nil {
		to.Published(ticket, hub.Published{Err: err})
	}
}

func (b *Broker) publish(p publishing) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	be := b.backend.Load()
	if be == nil {
		return b.away()
	}
	if b.pending.Add(1) > pendingMax || b.pendingBytes.Add(p.bytes()) > pendingBytesMax {
		b.pending.Add(-1)
		b.pendingBytes.Add(-p.bytes())
		return ErrTooMuch
	}
	part := be.partition(p.message.Channel)
	l := &part.publishing
	l.mu.Lock()
	defer l.mu.Unlock()
	err := b.checkOpen() // Close looks into each lane after that
	if err == nil {
		err = l.refusal(time.Now())
	}
	if err != nil {
		b.pending.Add(-1)
		b.pendingBytes.Add(-p.bytes())
		return err
	}
	l.waiting = append(l.waiting, p)
	if !l.running {
		l.running = true
		b.publishers.Go(func() { b.publishLoop(be, part) })
	}
	return nil
}

// awayAfter is for how long a call has to be tried in vain before everybody else is refused at
// once, and tryInterval how often somebody is not, to find out whether that is still so. Nobody
// waits longer than tryPatience for it. Less than awayAfter is nothing more than a connection
// that has broken.
const (
	awayAfter   = 2 * time.Second
	tryInterval = time.Second
	tryPatience = time.Second
)

// refusal is why nothing can be published now, or nil if that has to be found out; mu is held.
func (l *lane) refusal(now time.Time) error {
	if l.failed != nil && (l.running || now.Sub(l.failedAt) < tryInterval) {
		return l.failed
	}
	return nil
}

// unusable is the error of publications that are refused because of err, which was another's: it
// is nothing that has become of them.
func unusable(err error) error { return fmt.Errorf("%w: %v", ErrUnusable, err) }

// fail notes that a call was tried in vain since began, and returns everything that waits.
func (l *lane) fail(began time.Time, err error) []publishing {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.failed == nil && now.Sub(began) < awayAfter {
		return nil
	}
	l.failed, l.failedAt = err, now
	waiting := l.waiting
	l.waiting = nil
	return waiting
}

// recover notes that Redis can be used.
func (l *lane) recover() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = nil
}

// isFailed reports whether the last call was in vain.
func (l *lane) isFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed != nil
}

// publishLoop publishes what waits in a partition until nothing does.
func (b *Broker) publishLoop(be *backend, part *partition) {
	l := &part.publishing
	var batch []publishing
	for {
		l.mu.Lock()
		batch = l.take(batch)
		if len(batch) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		b.publishBatch(be, part, batch)
	}
}

// take moves what is to be published next to batch, of which everything is forgotten; mu is
// held.
func (l *lane) take(batch []publishing) []publishing {
	clear(batch)
	n, bytes := 0, int64(0)
	for n < len(l.waiting) && n < batchMax && (n == 0 || bytes+l.waiting[n].bytes() <= batchBytesMax) {
		bytes += l.waiting[n].bytes()
		n++
	}
	batch = append(batch[:0], l.waiting[:n]...)
	left := copy(l.waiting, l.waiting[n:])
	clear(l.waiting[left:])
	if l.waiting = l.waiting[:left]; left == 0 && cap(l.waiting) > 1024 {
		l.waiting = nil
	}
	return batch
}

// publishBatch publishes messages of a partition and tells their outcomes, in order.
func (b *Broker) publishBatch(be *backend, part *partition, batch []publishing) {
	l, began, deadline := &part.publishing, time.Now(), batch[0].deadline
	if l.isFailed() {
		deadline = began.Add(min(tryPatience, deadline.Sub(began)))
	}
	ctx, cancel := context.WithDeadline(b.ctx, deadline)
	defer cancel()
	pause := retryMin
	for check, attempts := false, 0; ; {
		if b.isClosing() {
			b.answerAll(batch, hub.ErrClosed)
			return
		}
		at := part.state.Load()
		var err error
		if at == nil {
			at, err = b.readEpoch(ctx, be, part)
		}
		var answers []rueidis.RedisMessage
		done := false
		if err == nil && len(batch) == 1 && attempts == 0 && !check {
			if done, err = b.publishOne(ctx, be, part, &batch[0]); done {
				return
			}
		}
		if err == nil {
			answers, err = b.callPublish(ctx, be, part, at, batch, check)
		}
		if err == nil {
			first, _ := answers[0].ToString()
			if first == "ok" {
				l.recover()
				b.answer(part, at, batch, answers[1:])
				return
			}
			// Nothing was done: the epoch is another one, or none.
			check = first == ""
			if !check {
				err = b.adopt(be, part, first)
			}
			if attempts++; err == nil && attempts > 8 {
				err = errRestart
			}
			if err == nil {
				continue
			}
			b.answerAll(batch, err)
			return
		}
		if isNoScript(err) && !check {
			// The text is only given to a server that the epoch is of: it would keep it, and run it
			// by its hash when it is the master another time.
			if err = b.verify(ctx, be, part); err == nil {
				check = true
				continue
			}
		}
		said, fate := fateOf(err)
		why := unusable(readError(ctx, err))
		if fate == fatePasses && time.Until(deadline) > pause && b.wait(ctx, pause) {
			pause = min(2*pause, retryMax/4)
			continue
		}
		if fate == fateUnknown {
			b.note(said)
			said = hub.ErrUnanswered
			if b.isClosing() {
				said = hub.ErrClosed
			}
		}
		b.answerAll(batch, said)
		if fate == fateRefused {
			l.recover() // it has answered
		} else {
			b.answerAll(l.fail(began, why), why)
		}
		return
	}
}

// callPublish calls the script. With check it is given to the server, see doc.go.
func (b *Broker) callPublish(ctx context.Context, be *backend, part *partition, at *epoch, batch []publishing, check bool) ([]rueidis.RedisMessage, error) {
	keys := make([]string, 1, 1+2*len(batch))
	args := make([]string, 0, 6+6*len(batch))
	keys[0] = part.epochKey
	candidate := ""
	if check {
		candidate = newEpochName()
	}
	all := ""
	if be.isCluster {
		all = part.all
	}
	args = append(args, at.value, candidate, at.name, be.verb, all, strconv.Itoa(len(part.topics)+2))
	now := time.Now()
	for i := range batch {
		m := &batch[i].message
		count, age := retentionOf(batch[i].keep)
		window := ""
		keys = append(keys, part.stream(at, m.Channel))
		if m.IdempotencyKey != "" {
			keys = append(keys, part.idempotency(m.Channel, m.IdempotencyKey))
			window = strconv.FormatInt(max(1, int64(b.window(batch[i].keep)/time.Second)), 10)
		}
		record := appendRecord(make([]byte, 0, len(m.Data)+64), m)
		args = append(args, part.channelTopic(m.Channel), strconv.FormatInt(count, 10), strconv.FormatInt(age, 10),
			part.publishing.lives.life(m.Channel, age, now), window, rueidis.BinaryString(record))
	}
	return scriptAnswer(be.client.Do(ctx, be.command(at.publish, check, keys, args)))
}

func (b *Broker) window(r hub.Retention) time.Duration {
	if r.KeyAge > 0 {
		return r.KeyAge
	}
	return b.options.IdempotencyWindow
}

// answer tells the outcomes of a call that was done.
func (b *Broker) answer(part *partition, at *epoch, batch []publishing, answers []rueidis.RedisMessage) {
	now := time.Now()
	for i := range batch {
		outcome := hub.Published{Err: errAnswer}
		if i < len(answers) {
			text, _ := answers[i].ToString()
			outcome = b.outcome(at, text)
		}
		if outcome.Err == nil && !outcome.Duplicate {
			_, age := retentionOf(batch[i].keep)
			part.publishing.lives.set(batch[i].message.Channel, age, now)
		}
		b.tell(&batch[i], outcome)
	}
}

// outcome is what the script says of a message.
func (b *Broker) outcome(at *epoch, text string) hub.Published {
	if text == "" {
		return hub.Published{Err: errAnswer}
	}
	epoch, rest := at.name, text[1:]
	switch text[0] {
	case '!':
		err, _ := refusalOf(rest)
		return hub.Published{Err: err}
	case '?':
		err, _ := refusalOf(rest)
		b.note(err)
		return hub.Published{Err: hub.ErrUnanswered} // it is in the history
	case '=':
		epoch, rest, _ = strings.Cut(rest, " ")
	case '+':
	default:
		return hub.Published{Err: errAnswer}
	}
	offset, err := strconv.ParseUint(rest, 10, 64)
	if err != nil {
		return hub.Published{Err: errAnswer}
	}
	return hub.Published{Position: hub.Position{Epoch: epoch, Offset: offset}, Duplicate: text[0] == '='}
}

func (b *Broker) answerAll(batch []publishing, err error) {
	for i := range batch {
		b.tell(&batch[i], hub.Published{Err: err})
	}
}

func (b *Broker) tell(p *publishing, outcome hub.Published) {
	b.pending.Add(-1)
	b.pendingBytes.Add(-p.bytes())
	p.to.Published(p.ticket, outcome)
}

// lives remembers which streams were told lately how long they live: telling it with each
// publication would cost Redis a tenth of it.
type lives struct{ young, old map[string]life }

type life struct {
	set   time.Time
	ageMS int64
}

// livesMax is how many a partition remembers, twice.
const livesMax = 8192

// isSet reports whether a stream lives long enough.
func (l *lives) isSet(channel string, ageMS int64, now time.Time) bool {
	found, ok := l.young[channel]
	if !ok {
		found = l.old[channel]
	}
	return found.ageMS >= ageMS && now.Sub(found.set) < renewAfter
}

// life is the life of a stream in seconds, negative if it need not be set.
func (l *lives) life(channel string, ageMS int64, now time.Time) string {
	seconds := int64(streamLife/time.Second) + (ageMS+999)/1000
	if l.isSet(channel, ageMS, now) {
		seconds = -seconds
	}
	return strconv.FormatInt(seconds, 10)
}

// set is called when the life of a stream was set, or need not be.
func (l *lives) set(channel string, ageMS int64, now time.Time) {
	if l.isSet(channel, ageMS, now) {
		return
	}
	if l.young == nil || len(l.young) >= livesMax {
		l.young, l.old = make(map[string]life), l.young
	}
	l.young[strings.Clone(channel)] = life{now, ageMS} // the name may be a part of a long request
}
