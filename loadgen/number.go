package loadgen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// numberPublisher publishes texts in a channel, with a request each.
type numberPublisher struct {
	target    string
	header    http.Header
	transport *http.Transport
	client    *http.Client
}

// publishTimeout is short: while a server is away there is nothing to wait for.
const publishTimeout = 2 * time.Second

func newNumberPublisher(target string, o *Options) *numberPublisher {
	transport := &http.Transport{TLSClientConfig: o.TLS}
	return &numberPublisher{target: target, header: o.Header, transport: transport, client: &http.Client{Transport: transport, Timeout: publishTimeout}}
}

// publish returns where the publication stands. After an error it may have been published.
func (p *numberPublisher) publish(ctx context.Context, text string) (place, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target, strings.NewReader(text))
	if err != nil {
		return place{}, err
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	r.GetBody = nil // net/http repeats none: it could be published twice
	for name, values := range p.header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	response, err := p.client.Do(r)
	if err != nil {
		return place{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, exampleBytesMax))
	if err != nil {
		return place{}, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return place{}, &statusError{status: response.StatusCode, text: http.StatusText(response.StatusCode), content: content}
	}
	var answer struct{ Position string }
	at := place{}
	if json.Unmarshal(content, &answer) == nil {
		at = parsePlace(answer.Position)
	}
	if at == (place{}) {
		return place{}, fmt.Errorf("the server answered %.100q, which has no position", content)
	}
	return at, nil
}

func (p *numberPublisher) close() { p.transport.CloseIdleConnections() }
