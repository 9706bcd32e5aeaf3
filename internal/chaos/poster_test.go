//go:build linux

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/clustertest"
)

// post publishes by requests, one after another, each to any node and again until it is
// acknowledged; batch is how many are in one request, 1 being a POST to the channel.
func (p *publisher) post(ctx context.Context, batch int, more func() bool, due *pace) {
	random := p.w.random(fmt.Sprint("poster ", p.index))
	for due.wait(ctx, batch) && more() {
		var todo []*publication
		for range batch {
			todo = append(todo, p.make(p.channels[random.IntN(len(p.channels))]))
		}
		for len(todo) > 0 {
			p.w.attempts.Add(1)
			n := p.w.node(random)
			var err error
			if batch == 1 {
				err = p.postOne(ctx, n, todo[0])
				if err == nil {
					todo = nil
				}
			} else {
				todo, err = p.postBatch(ctx, n, todo)
			}
			if err == nil {
				continue
			}
			p.w.refused.Add(1)
			if !wait(ctx, random, 20*time.Millisecond, 200*time.Millisecond) {
				return
			}
		}
	}
}

// request makes one, and returns what was answered to it.
func (p *publisher) request(ctx context.Context, n *clustertest.Node, path, contentType, key string, body []byte) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL()+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Content-Type", contentType)
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := p.w.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode/100 != 2 {
		if err = statusError(response, answer); errors.Is(err, errWrong) {
			p.w.fail("publisher %d: %v", p.index, err)
		}
		return nil, nil, err
	}
	return response, answer, nil
}

func (p *publisher) postOne(ctx context.Context, n *clustertest.Node, one *publication) error {
	response, answer, err := p.request(ctx, n, "/channels/"+one.channel, "text/plain", one.key(), []byte(payload(one.id)))
	if err != nil {
		return err
	}
	var made struct{ Position hub.Position }
	if err := json.Unmarshal(answer, &made); err != nil || made.Position.IsZero() {
		p.w.fail("publisher %d: %s: %.200q, %v", p.index, response.Status, answer, err)
		return err
	}
	p.acknowledged(one, made.Position, response.Header.Get("Idempotency-Replayed") == "true")
	return nil
}

// postBatch returns those that have to be tried again.
func (p *publisher) postBatch(ctx context.Context, n *clustertest.Node, todo []*publication) (left []*publication, err error) {
	var body strings.Builder
	body.WriteString(`{"publications":[`)
	for i, one := range todo {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"channel":%q,"data":%q,"idempotency_key":%q}`, one.channel, payload(one.id), one.key())
	}
	body.WriteString("]}")
	response, answer, err := p.request(ctx, n, "/api/v1/batch", "application/json", "", []byte(body.String()))
	if err != nil {
		return todo, err
	}
	var outcome struct {
		Results []struct {
			Position  hub.Position
			Duplicate bool
			Error     *struct {
				Type, Detail string
			}
		}
	}
	if err := json.Unmarshal(answer, &outcome); err != nil || len(outcome.Results) != len(todo) {
		p.w.fail("publisher %d: %s: %.200q, %v", p.index, response.Status, answer, err)
		return todo, fmt.Errorf("%w: %s", errWrong, answer)
	}
	before := make(map[string]hub.Position) // what came before it in its channel, of this batch
	for i, r := range outcome.Results {
		one := todo[i]
		if r.Error != nil {
			left, err = append(left, one), fmt.Errorf("%s: %s", r.Error.Type, r.Error.Detail)
			continue
		}
		if !r.Duplicate {
			if b := before[one.channel]; b.Epoch == r.Position.Epoch && !b.IsZero() && one.after.Epoch == b.Epoch {
				one.after = b
			}
			before[one.channel] = r.Position
		}
		p.acknowledged(one, r.Position, r.Duplicate)
	}
	return left, err
}
