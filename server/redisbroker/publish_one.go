package redisbroker

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

// publishOne publishes a message with the short script, if that is for it. It reports false if
// nothing was done, so that scriptPublish has to say what there is to do, and the error of a
// call.
func (b *Broker) publishOne(ctx context.Context, be *backend, part *partition, p *publishing) (done bool, err error) {
	at := part.state.Load()
	count, age := retentionOf(p.keep)
	if at == nil || count == 0 || p.message.IdempotencyKey != "" || !part.publishing.lives.isSet(p.message.Channel, age, time.Now()) {
		return false, nil
	}
	number := strconv.FormatInt(count, 10)
	keys := []string{part.epochKey, part.stream(at, p.message.Channel)}
	args := []string{
		number, "+" + number + ":" + strconv.FormatInt(age, 10),
		rueidis.BinaryString(appendRecord(make([]byte, 0, len(p.message.Data)+64), &p.message)),
	}
	call := func(byText bool, args []string) (string, error) {
		answer, err := be.client.Do(ctx, be.command(at.one, byText, keys, args)).ToString()
		if rueidis.IsRedisNil(err) {
			return "", nil
		}
		return answer, err
	}
	answer, err := call(false, args)
	if isNoScript(err) {
		// As in publishBatch: the text is only for a server that the epoch is of.
		if err = b.verify(ctx, be, part); err != nil || part.state.Load() != at {
			return false, err
		}
		answer, err = call(true, append(args, "check"))
	}
	if err != nil || answer == "" {
		return false, err
	}
	b.tell(p, b.outcome(at, answer))
	return true, nil
}
