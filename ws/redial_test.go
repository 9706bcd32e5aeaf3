package ws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// memoryServer serves h on in-memory wires; its dial is for DialOptions.NetDial.
func memoryServer(t *testing.T, h http.Handler) func(context.Context, string, string) (net.Conn, error) {
	l := &memoryListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: h}
	served := make(chan struct{})
	go func() { _ = s.Serve(l); close(served) }()
	t.Cleanup(func() { _ = s.Close(); <-served })
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		a, b := wstest.Pipe(nil)
		select {
		case l.conns <- a:
			return b, nil
		case <-l.closed:
			return nil, errors.New("connection refused")
		}
	}
}

type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	done   atomic.Bool
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *memoryListener) Close() error {
	if !l.done.Swap(true) {
		close(l.closed)
	}
	return nil
}
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

func TestRedialerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		visits := 0
		dial := memoryServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			visits++
			switch visits {
			case 2:
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			case 5:
				w.WriteHeader(http.StatusForbidden)
				return
			}
			conn, err := ws.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			conn.Write(background, ws.MessageText, fmt.Appendf(nil, "visit %d", visits))
			if visits == 3 {
				conn.CloseNow() // a crash
				return
			}
			conn.Close(ws.StatusServiceRestart, "")
		}))
		var got, retries []string
		var pauses []time.Duration
		r := &ws.Redialer{
			URL:         "ws://server/",
			DialOptions: &ws.DialOptions{NetDial: dial, Proxy: noProxy},
			OnRetry: func(err error, pause time.Duration) {
				retries = append(retries, err.Error())
				pauses = append(pauses, pause)
			},
		}
		err := r.Run(background, func(ctx context.Context, conn *ws.Conn) error {
			for {
				_, m, err := conn.Read(ctx)
				if err != nil {
					return err
				}
				got = append(got, string(m))
			}
		})
		if err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("Run = %v", err)
		}
		if strings.Join(got, ", ") != "visit 1, visit 3, visit 4" {
			t.Errorf("got %q", got)
		}
		if len(pauses) != 4 || pauses[1] != 7*time.Second || pauses[0] > ws.DefaultBackoffMin || pauses[3] > 8*ws.DefaultBackoffMin {
			t.Errorf("pauses %v after %q", pauses, retries)
		}
	})
}

func TestRedialerEndsWithItsContextAndItsHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrUnexpectedEOF }
		attempts := 0
		r := &ws.Redialer{URL: "ws://server/", DialOptions: &ws.DialOptions{NetDial: down, Proxy: noProxy}, OnRetry: func(error, time.Duration) { attempts++ }}
		ctx, cancel := context.WithTimeout(background, time.Hour)
		defer cancel()
		if err := r.Run(ctx, nil); err != context.DeadlineExceeded {
			t.Errorf("Run = %v", err)
		}
		// An hour of pauses between 0 and 30 seconds: about 240, and never a storm.
		if attempts < 120 || attempts > 500 {
			t.Errorf("%d attempts in an hour", attempts)
		}
		r.DialOptions.NetDial = memoryServer(t, echo(nil))
		if err := r.Run(background, func(context.Context, *ws.Conn) error { return nil }); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestIsPermanent(t *testing.T) {
	for err, want := range map[error]bool{
		ws.ErrURL:                      true,
		&ws.CloseError{Code: 1008}:     true,
		&ws.CloseError{Code: 1001}:     false,
		&ws.CloseError{Code: 4000}:     false,
		io.EOF:                         false,
		fmt.Errorf("x: %w", ws.ErrURL): true,
	} {
		if ws.IsPermanent(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
