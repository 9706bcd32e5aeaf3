package redisbroker

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/redis/rueidis"
)

// errStale is the error of a connection that its server has ended while nobody used it.
var errStale = errors.New("redisbroker: the server has closed the connection")

// persistent is a client that tries another connection if one was stale: nothing was sent on it. That
// is certain only of a connection that one caller has to itself.
type persistent struct{ rueidis.Client }

func (c persistent) Do(ctx context.Context, command rueidis.Completed) rueidis.RedisResult {
	for {
		r := c.Client.Do(ctx, command)
		if command.IsPipe() || !errors.Is(r.NonRedisError(), errStale) {
			return r
		}
	}
}

func (c persistent) DoMulti(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	all := c.Client.DoMulti(ctx, commands...)
	for i := range all {
		// One at a time: they were all for one connection, which the first of them replaces.
		if errors.Is(all[i].NonRedisError(), errStale) {
			all[i] = c.Do(ctx, commands[i])
		}
	}
	return all
}

func (c persistent) Nodes() map[string]rueidis.Client {
	nodes := c.Client.Nodes()
	for address, node := range nodes {
		nodes[address] = persistent{node}
	}
	return nodes
}

// commandConn is a connection for commands. Where nobody reads between calls, nobody sees that its
// server has ended it, and the next command would fail as if it might have been done. So that is
// looked at before anything is written.
type commandConn struct {
	net.Conn
	raw syscall.RawConn // below TLS, or nil

	// busy is set while a goroutine reads, which will see the end, and from the first part of what is written
	// until something has been read.
	busy atomic.Bool
}

func newCommandConn(nc net.Conn) *commandConn {
	c := &commandConn{Conn: nc}
	for {
		below, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = below.NetConn()
	}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	return c
}

func (c *commandConn) Read(b []byte) (int, error) {
	c.busy.Store(true)
	n, err := c.Conn.Read(b)
	c.busy.Store(false)
	return n, err
}

func (c *commandConn) Write(b []byte) (int, error) {
	if !c.busy.Swap(true) && c.raw != nil && hasEnded(c.raw) {
		return 0, errStale
	}
	return c.Conn.Write(b)
}
