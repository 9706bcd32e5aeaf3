package redisbroker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
)

// What Redis refuses, in words for operators. Nothing of what was asked for has
// happened.
var (
	ErrReadOnly   = errors.New("redis: this server is a replica, and only its master can be written to")
	ErrNoReplicas = errors.New("redis: too few replicas follow the master, see min-replicas-to-write")
	ErrMemory     = errors.New("redis: its memory is full, see maxmemory")
	ErrPermission = errors.New("redis: the user may not do this, see the permissions in docs/broker-redis.md")
	ErrAuth       = errors.New("redis: user or password is wrong, or missing")
	ErrLoading    = errors.New("redis: it is still reading its data set")
	ErrCluster    = errors.New("redis: the cluster cannot serve this part of its keys")
	ErrDisk       = errors.New("redis: it cannot write to its disk, and refuses changes")
	ErrBusy       = errors.New("redis: a script of somebody else runs for too long")

	// ErrTLS means that the server has ended a connection whose handshake was through: with TLS 1.3 it
	// looks at the certificate of its client after that, and what it has to say may be lost.
	ErrTLS = errors.New("redis: the server has ended the TLS connection; it may want a certificate, or another one, see broker.tls.cert")

	ErrVersion = errors.New("redis: this server is too old; 7.0 or later is needed, or Valkey")

	// ErrTooMuch means that more is waiting to be published than the Broker keeps.
	ErrTooMuch = errors.New("redisbroker: too many publications are under way")

	// ErrAway means that Redis has not been reached since the Broker was started.
	ErrAway = errors.New("redisbroker: Redis cannot be reached yet")

	// ErrUnusable means that Redis could not be used a moment ago. Nothing was tried.
	ErrUnusable = errors.New("redisbroker: Redis cannot be used at the moment")
)

var (
	errStart   = errors.New("redisbroker: Start is called once, before any other method")
	errRestart = errors.New("redisbroker: the epoch changes all the time")
	errAnswer  = errors.New("redisbroker: an answer of Redis that this version does not know")
	errServers = errors.New("redis: several servers that are no cluster; for sentinels the URL ends in ?sentinel_master=NAME")
)

// refusals are how errors of Redis begin. Those that pass are worth another attempt.
var refusals = []struct {
	begins string
	err    error
	passes bool
}{
	{"READONLY", ErrReadOnly, true},
	{"NOREPLICAS", ErrNoReplicas, false},
	{"OOM", ErrMemory, false},
	{"NOPERM", ErrPermission, false},
	{"NOAUTH", ErrAuth, false},
	{"WRONGPASS", ErrAuth, false},
	{"LOADING", ErrLoading, true},
	{"MASTERDOWN", ErrReadOnly, true},
	{"CLUSTERDOWN", ErrCluster, true},
	{"TRYAGAIN", ErrCluster, true},
	{"MOVED", ErrCluster, true},
	{"ASK", ErrCluster, true},
	{"CROSSSLOT", ErrCluster, false},
	{"MISCONF", ErrDisk, false},
	{"BUSY", ErrBusy, true},
}

// refusalOf is what text, an error of Redis, says.
func refusalOf(text string) (err error, passes bool) {
	word, _, _ := strings.Cut(text, " ")
	for _, r := range refusals {
		if word == r.begins {
			return r.err, r.passes
		}
	}
	if strings.Contains(text, "NOAUTH") || strings.Contains(text, "invalid username-password") {
		return ErrAuth, false
	}
	if strings.Contains(text, "user executing the script") || strings.Contains(text, "No permissions") || strings.Contains(text, "ACL failure in script") {
		return ErrPermission, false
	}
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Errorf("redis: %q", text), false
}

// fate is what is known of a failed call.
type fate int

const (
	fateUnknown fate = iota // it may have been done
	fatePasses              // it was not done, and may be the next time
	fateRefused             // it was not done
)

// fateOf says what an error of a call means, in words for others.
func fateOf(err error) (error, fate) {
	if reply, ok := rueidis.IsRedisErr(err); ok {
		refusal, passes := refusalOf(reply.Error())
		if passes {
			return refusal, fatePasses
		}
		return refusal, fateRefused
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("redis: it cannot be reached: %w", err), fatePasses
	}
	if errors.Is(err, rueidis.ErrClosing) {
		return hub.ErrClosed, fateRefused
	}
	return err, fateUnknown
}

// readError is the error of a call that changes nothing.
func readError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	text, _ := fateOf(err)
	if ctx.Err() != nil {
		return fmt.Errorf("redis: no answer in time: %w", ctx.Err())
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("redis: the connection broke: %w", err)
	}
	return text
}

// isRefusedTLS reports whether a new connection was ended in the way of a server that does not take the
// certificate of its client.
func isRefusedTLS(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "remote error: tls")
}

// isNoScript reports whether this server has not been given the script.
func isNoScript(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	return ok && strings.HasPrefix(reply.Error(), "NOSCRIPT")
}
