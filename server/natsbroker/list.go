package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/hub"
)

// List implements hub.ListingBroker. It asks for the subjects of the whole stream: what that
// costs grows with the channels there are.
func (b *Broker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	if q.Limit <= 0 {
		return nil, hub.ErrListLimit
	}
	now, err := b.serve(ctx)
	if err != nil {
		return nil, err
	}
	subjects, err := b.subjects(ctx)
	if err != nil {
		return nil, b.failed(err)
	}
	names := make([]string, 0, len(subjects))
	for subject := range subjects {
		name, err := ParseSubject(subject[len(b.names.in):])
		if err == nil && name > q.After && (q.Match == nil || q.Match(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var list []hub.ChannelInfo
	for len(names) > 0 && len(list) < q.Limit {
		n := min(len(names), lookedAtMax/4, q.Limit-len(list)+8)
		some, err := b.listSome(ctx, now, names[:n], subjects)
		if err != nil {
			return nil, b.failed(err)
		}
		list = append(list, some...)
		names = names[n:]
	}
	return list[:min(len(list), q.Limit)], nil
}

// subjects are those of the stream that are channels, with how many messages each has.
func (b *Broker) subjects(ctx context.Context) (map[string]uint64, error) {
	all := make(map[string]uint64)
	for {
		var page struct {
			Error *apiError `json:"error"`
			Total int       `json:"total"`
			State struct {
				Subjects map[string]uint64 `json:"subjects"`
			} `json:"state"`
		}
		ask := fmt.Sprintf(`{"subjects_filter":%q,"offset":%d}`, b.names.in+">", len(all))
		err := b.persist(ctx, func() error {
			answer, err := b.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+b.names.stream, []byte(ask))
			if err != nil {
				return err
			}
			if err := json.Unmarshal(answer.Data, &page); err != nil {
				return err
			}
			if page.Error != nil {
				return page.Error
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		before := len(all)
		for subject, n := range page.State.Subjects {
			all[subject] = n
		}
		if len(all) == before || len(all) >= page.Total {
			return all, nil
		}
	}
}

// listSome are those of some channels that have history.
func (b *Broker) listSome(ctx context.Context, now *era, names []string, counts map[string]uint64) ([]hub.ChannelInfo, error) {
	subjects := make([]string, len(names))
	for i, name := range names {
		subjects[i] = b.names.subject(name)
	}
	tops, _, err := b.get(ctx, getRequest{MultiLast: subjects})
	if err != nil {
		return nil, err
	}
	bySubject := make(map[string]*stored, len(tops))
	for i := range tops {
		bySubject[tops[i].subject] = &tops[i]
	}
	var list []hub.ChannelInfo
	for i, name := range names {
		top := bySubject[subjects[i]]
		if top == nil || top.seq <= now.base || !b.isKept(top, 0) {
			continue
		}
		n, err := b.countKept(ctx, now, top, counts[subjects[i]])
		if err != nil {
			return nil, err
		}
		list = append(list, hub.ChannelInfo{Name: name, Publications: n, Position: now.position(top.seq)})
	}
	return list, nil
}

// countKept is how many publications a channel has of which top is the newest, going by
// how long that is kept: exactly so where all are kept for as long.
func (b *Broker) countKept(ctx context.Context, now *era, top *stored, held uint64) (int, error) {
	r := getRequest{NextFor: top.subject, Batch: 1, Seq: now.base + 1}
	if top.meta.age < keepAgeMin {
		oldest := b.now().Add(-top.meta.age)
		r.Seq, r.StartTime = 0, &oldest
	}
	list, left, err := b.get(ctx, r)
	if err != nil || len(list) == 0 {
		return int(min(held, uint64(top.meta.count))), err
	}
	n := left + 1
	if !b.isKept(&list[0], 0) {
		n-- // it says that something was not kept
	}
	return int(min(n, uint64(top.meta.count))), nil
}

// Clear implements hub.ClearingBroker. In the place of the history the stream gets a
// message that says which publication was the newest.
func (b *Broker) Clear(ctx context.Context, channel string) error {
	now, err := b.serve(ctx)
	if err != nil {
		return err
	}
	subject := b.names.subject(channel)
	for {
		top, err := b.newest(ctx, subject)
		if err != nil || top == nil || top.meta.isMark {
			return b.failed(err)
		}
		err = b.putMark(ctx, now, subject, top.seq)
		if api := (*apiError)(nil); !errors.As(err, &api) || api.ErrCode != codeWrongLast {
			return b.failed(err)
		}
		// Somebody has published meanwhile.
	}
}

func (b *Broker) putMark(ctx context.Context, now *era, subject string, top uint64) error {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	answer, err := b.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Header: nats.Header{
		metaHeader:                  {string(appendMeta(nil, &meta{isMark: true, top: top}))},
		rollUpHeader:                {"sub"},
		nats.ExpectedLastSubjSeqHdr: {strconv.FormatUint(top, 10)},
	}})
	if err != nil {
		return err
	}
	a, err := ParseAck(b.names.stream, answer.Data)
	switch {
	case err != nil:
		return err
	case a.err != nil:
		return a.err
	}
	now.saw(a.seq)
	return nil
}

// trims count the publications in channels that keep less than the stream would, and
// have it drop the excess.
type trims struct{ counts map[string]int }

const (
	trimChannelsMax = 65_536
	trimMin         = 256
)

// published counts a publication that is sent, and returns how many of its channel are
// to be kept when it is time to drop the others, else 0. It is called by sendLoop alone.
func (t *trims) published(subject string, kept, streamKeeps int) int {
	if kept == 0 || kept >= streamKeeps/2 {
		return 0
	}
	if t.counts == nil || len(t.counts) > trimChannelsMax {
		t.counts = make(map[string]int)
	}
	n := t.counts[subject] + 1
	if n < max(trimMin, kept/2) {
		t.counts[subject] = n
		return 0
	}
	delete(t.counts, subject)
	return kept + 1
}

// trim has the stream drop all but the newest. Nobody waits for the answer: the next one
// comes soon.
func (b *Broker) trim(subject string, keep int) {
	ask, err := json.Marshal(struct {
		Filter string `json:"filter"`
		Keep   int    `json:"keep"`
	}{subject, keep})
	if err == nil {
		_ = b.nc.PublishRequest("$JS.API.STREAM.PURGE."+b.names.stream, b.names.inbox+replyToken+"0", ask)
	}
}
