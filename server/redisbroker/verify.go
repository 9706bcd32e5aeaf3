package redisbroker

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"time"
)

// dialVerified opens a connection for commands, see doc.go. Before it returns, every epoch that
// is known here is one of the server, or is replaced.
func (b *Broker) dialVerified(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	nc, err := b.dial(ctx, address, dialer, config)
	be := b.backend.Load()
	if err != nil {
		return nil, err
	}
	if be == nil {
		return newCommandConn(nc), nil // nothing is known of any epoch
	}
	// Commands on the way to nc are kept back until this has been done. If the role of the
	// server changes after it, nc is closed with it.
	if err := b.verifyServer(ctx, be, address, dialer, config); err != nil {
		nc.Close()
		return nil, err
	}
	return newCommandConn(nc), nil
}

// verifyServer has a server look at the epochs of all partitions. What it refuses is not for it:
// it may be a sentinel, a replica, or have other slots; or every command to it is told the same.
func (b *Broker) verifyServer(ctx context.Context, be *backend, address string, dialer *net.Dialer, config *tls.Config) error {
	nc, err := b.dial(ctx, address, dialer, config)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(callTimeout)) // or else reading fails
	defer context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Now()) })()
	l := &line{address: address, nc: nc}
	var commands [][]string
	switch p := &b.place; {
	case p.user != "":
		commands = append(commands, []string{"AUTH", p.user, p.password})
	case p.password != "":
		commands = append(commands, []string{"AUTH", p.password})
	}
	if b.place.database != 0 {
		commands = append(commands, []string{"SELECT", strconv.Itoa(b.place.database)})
	}
	before := len(commands)
	var known []*partition
	for _, part := range be.parts {
		if at := part.state.Load(); at != nil {
			known = append(known, part)
			commands = append(commands, []string{"EVAL", scriptTops.text, "1", part.epochKey, at.value, newEpochName()})
		}
	}
	if err := l.send(commands...); err != nil {
		return err
	}
	r := bufio.NewReader(nc)
	for i := range commands {
		f, err := readFrame(r, &frame{})
		if err != nil {
			return err
		}
		if i < before || f.kind != '*' || len(f.items) == 0 {
			continue
		}
		if value := string(f.items[0]); value != "ok" && value != "" {
			if err := b.adopt(be, known[i-before], value); err != nil {
				return err
			}
		}
	}
	return nil
}
