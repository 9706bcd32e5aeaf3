//go:build unix

package clustertest

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"testing"
)

// Balancer is a proxy that sends each request to the next node, whichever client has sent it,
// like a balancer that knows nothing of sessions. A request that cannot reach a node goes to
// the one after it. WebSockets and streams go through as they come.
type Balancer struct {
	server *httptest.Server
	next   atomic.Uint64

	mu     sync.Mutex // guards what follows
	nodes  []string   // host and port
	counts map[string]int
}

// NewBalancer starts one, which ends with the test.
func NewBalancer(t testing.TB, nodes ...*Node) *Balancer {
	b := &Balancer{counts: make(map[string]int)}
	for _, n := range nodes {
		b.nodes = append(b.nodes, n.Address())
	}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	proxy := &httputil.ReverseProxy{
		Transport: roundRobin{b, transport},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.Host, r.Out.URL.RawQuery = "http", r.In.Host, r.In.URL.RawQuery
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // clients that leave
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	b.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// While an answer begins, net/http lets nobody read what it answers.
		content, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(content)), int64(len(content))
		proxy.ServeHTTP(w, r)
	}))
	b.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(func() {
		b.server.CloseClientConnections()
		transport.CloseIdleConnections()
		b.server.Close()
	})
	return b
}

// roundRobin sends requests.
type roundRobin struct {
	of        *Balancer
	transport *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (r roundRobin) RoundTrip(q *http.Request) (a *http.Response, err error) {
	for range r.of.nodes {
		node := r.of.nodes[r.of.next.Add(1)%uint64(len(r.of.nodes))]
		q.URL.Host = node
		if a, err = r.transport.RoundTrip(q); err == nil || q.ContentLength != 0 || q.Context().Err() != nil {
			r.of.mu.Lock()
			r.of.counts[node]++
			r.of.mu.Unlock()
			return a, err
		}
	}
	return nil, err
}

// Host is where it listens.
func (b *Balancer) Host() string { return b.server.Listener.Addr().String() }

// URL is that of Host.
func (b *Balancer) URL() string { return b.server.URL }

// Counts are how many requests each node was sent, in the order of the nodes.
func (b *Balancer) Counts() (counts []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.nodes {
		counts = append(counts, b.counts[n])
	}
	return counts
}
