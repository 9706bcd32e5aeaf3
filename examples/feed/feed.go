// Package feed is the back end of the example "blockchain-style feed": a node of a chain
// that speaks JSON-RPC over a WebSocket, and the bridge that follows it.
package feed

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/ws"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html feed.go screenshot.webp
var Files embed.FS

// Bridge has one WebSocket to the node, however many watch the page. In a file it is the
// section of bridges that the README shows.
func Bridge(url string) (server.Bridge, error) {
	secret, err := server.ParseSecret(url)
	subscribe := func(id int, what string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"eth_subscribe","params":[%q]}`, id, what)
	}
	return server.Bridge{
		Name: "examples-feed",
		URL:  secret,
		Subscriptions: []server.BridgeSubscription{
			{Send: subscribe(1, "newHeads"), Channel: "examples/feed/heads", Data: "/params/result", Event: "block"},
			{Send: subscribe(2, "logs"), Channel: "examples/feed/logs", Data: "/params/result", ID: "{/params/result/blockHash}-{/params/result/logIndex}"},
			{Send: subscribe(3, "newPendingTransactions"), Channel: "examples/feed/pending", Data: "/params/result"},
		},
		Backoff: server.BridgeBackoff{Min: 200 * time.Millisecond, Max: time.Second},
	}, err
}

// Feed runs the node until ctx ends, and has the server follow it. A page can have the node
// fail, by calling examples/feed/fail.
func Feed(ctx context.Context, c *client.Client, follow func(server.Bridge) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n := &node{subscribed: make(map[string]*subscription)}
	h := http.Server{Handler: n, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	served := make(chan error, 1)
	go func() { served <- h.Serve(ln) }()
	defer func() {
		cancel() // WebSockets are not the http.Server's any more
		_ = h.Close()
		<-served
		n.serving.Wait()
	}()
	bridge, err := Bridge("ws://" + ln.Addr().String())
	if err == nil {
		err = follow(bridge)
	}
	if err != nil {
		return err
	}
	handler, err := c.Handle(ctx, "examples/feed/fail", func(context.Context, client.Call) (client.Data, error) {
		n.fail(outage)
		return client.JSON(map[string]float64{"seconds": outage.Seconds()}), nil
	}, nil)
	if err != nil {
		return err
	}
	defer func() { _ = handler.Stop(context.WithoutCancel(ctx)) }()

	ticker := time.NewTicker(blockTime / transactionsPerBlock)
	defer ticker.Stop()
	for i := 1; ; i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-handler.Done():
			return errors.Join(errors.New("nobody can have the node fail any more"), handler.Err())
		case <-ticker.C:
		}
		n.transact(ctx)
		if i%transactionsPerBlock == 0 {
			n.mine(ctx)
		}
	}
}

const (
	blockTime            = 2 * time.Second
	transactionsPerBlock = 4
	outage               = 4 * time.Second
)

// node is a node of a chain. It mines also while nobody can reach it.
type node struct {
	serving sync.WaitGroup

	mu         sync.Mutex
	down       time.Time // until when it refuses everybody
	subscribed map[string]*subscription
	ids        int
	number     int
	pending    []string
}

// subscription is what somebody has asked the node for.
type subscription struct {
	conn *ws.Conn
	what string
}

// ServeHTTP answers what comes over a WebSocket.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.serving.Add(1)
	defer n.serving.Done()
	n.mu.Lock()
	isDown := time.Now().Before(n.down)
	n.mu.Unlock()
	if isDown {
		http.Error(w, "the node is down", http.StatusServiceUnavailable)
		return
	}
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer n.forget(conn)
	for {
		_, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		var request struct {
			ID     json.RawMessage `json:"id"`
			Params []string        `json:"params"`
		}
		if json.Unmarshal(message, &request) != nil || len(request.Params) != 1 {
			_ = conn.Close(ws.StatusPolicyViolation, "this is no subscription")
			return
		}
		n.subscribe(r.Context(), conn, request.ID, request.Params[0])
	}
}

func (n *node) subscribe(ctx context.Context, conn *ws.Conn, id json.RawMessage, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids++
	key := fmt.Sprintf("0x%x", n.ids)
	n.subscribed[key] = &subscription{conn, what}
	answer, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "result": key})
	_ = conn.Write(ctx, ws.MessageText, answer)
}

func (n *node) forget(conn *ws.Conn) {
	conn.CloseNow()
	n.mu.Lock()
	defer n.mu.Unlock()
	for key, s := range n.subscribed {
		if s.conn == conn {
			delete(n.subscribed, key)
		}
	}
}

// fail has the node be gone for a while.
func (n *node) fail(duration time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = time.Now().Add(duration)
	for _, s := range n.subscribed {
		s.conn.CloseNow()
	}
}

// tell tells those who have subscribed to what; mu is held.
func (n *node) tell(ctx context.Context, what string, result any) {
	for key, s := range n.subscribed {
		if s.what != what {
			continue
		}
		message, _ := json.Marshal(map[string]any{
			"jsonrpc": "2.0", "method": "eth_subscription", "params": map[string]any{"subscription": key, "result": result},
		})
		_ = s.conn.Write(ctx, ws.MessageText, message)
	}
}

// transact has a transaction wait for the next block.
func (n *node) transact(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	hash := fmt.Sprintf("0x%016x", rand.Uint64())
	n.pending = append(n.pending, hash)
	n.tell(ctx, "newPendingTransactions", hash)
}

// mine makes a block of what waits.
func (n *node) mine(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	hash := fmt.Sprintf("0x%016x", rand.Uint64())
	n.tell(ctx, "newHeads", map[string]any{"number": n.number, "hash": hash, "transactions": len(n.pending)})
	for i, transaction := range n.pending {
		n.tell(ctx, "logs", map[string]any{"blockHash": hash, "logIndex": i, "transactionHash": transaction})
	}
	n.pending = nil
}
