package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/examples/gallery"
	"github.com/godwit-io/godwit/server"
)

func newExample() *cobra.Command {
	var base, token string
	cmd := &cobra.Command{
		Use:   "example NAME",
		Short: "Run the server of an example",
		Long: `Example runs what is a server in an example, until Ctrl-C: a client that publishes, or
answers calls. A server on loopback runs them itself, for the pages at /examples/; this is
for one that does not, or to see that it is a program like any other.

The examples are: ` + exampleNames() + `.`,
		Example: `  godwit example scores
  godwit example scores --server https://example.com --token env:TOKEN`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, ok := gallery.Find(args[0])
			if !ok {
				return usagef("there is no example %q; there are: %s", shown(args[0]), exampleNames())
			}
			if gallery.Feeds[e.Name] != nil {
				return usagef("the example %s is followed by a bridge of the server that has its page: start godwit serve on loopback, and open /examples/%s/", e.Name, e.Name)
			}
			if e.Run == nil {
				return usagef("the example %s has no server: its page, at /examples/%s/, is all there is", e.Name, e.Name)
			}
			u, err := serverURL(base)
			if err != nil {
				return err
			}
			secret, err := bearer(token)
			if err != nil {
				return err
			}
			o := client.Options{Name: "godwit-example"}
			if secret != "" {
				o.Header = http.Header{"Authorization": {"Bearer " + secret}}
			}
			c, err := client.Dial(cmd.Context(), u.String(), &o)
			if err != nil {
				return err
			}
			defer c.Close()
			fmt.Fprintf(cmd.OutOrStdout(), "%s runs at %s; Ctrl-C ends it\n", e.Title, u)
			if err := e.Run(cmd.Context(), c); err != nil && cmd.Context().Err() == nil {
				return err
			}
			return nil
		},
	}
	serverFlag(cmd, &base)
	tokenFlag(cmd, &token)
	return cmd
}

// exampleNames lists the examples that have a server.
func exampleNames() string {
	text := ""
	for _, e := range gallery.Examples {
		if e.Run == nil {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += e.Name
	}
	return text
}

// exampleServers are the servers of examples that run beside godwit serve, each from when
// its page is opened for the first time.
type exampleServers struct {
	log *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // nil before start; nothing runs then
	target  string
	tls     *tls.Config
	started map[string]bool
	follow  func(server.Bridge) error
	running sync.WaitGroup
}

// opened has the server of an example run, if it does not. It does not wait for it.
func (s *exampleServers) opened(e gallery.Example) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.ctx.Err() != nil || e.Run == nil && gallery.Feeds[e.Name] == nil || s.started[e.Name] {
		return
	}
	s.started[e.Name] = true
	s.running.Go(func() { s.run(s.ctx, e) })
}

// start allows pages opened from now on to run until stop is called. The servers are
// clients of s: there are none if that has no address for them.
func (s *exampleServers) start(ctx context.Context, of *server.Server) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.follow = of.Logger(), of.Follow
	if of.Addr().Network() == "tcp" {
		s.ctx, s.started = ctx, map[string]bool{}
		s.target = "http://" + address(of.Addr())
		if of.IsSecure() {
			s.target = "https://" + address(of.Addr())
			// This is the same process, at an address that its certificate may not name.
			s.tls = &tls.Config{InsecureSkipVerify: true}
		}
	}
	return func() {
		cancel()
		s.running.Wait()
	}
}

// exampleRetry is how long the server of an example that has failed is left alone.
const exampleRetry = 5 * time.Second

func (s *exampleServers) run(ctx context.Context, e gallery.Example) {
	for {
		c, err := client.Dial(ctx, s.target, &client.Options{Name: "example-" + e.Name, TLS: s.tls})
		if err == nil {
			if feed := gallery.Feeds[e.Name]; feed != nil {
				err = feed(ctx, c, s.follow)
			} else {
				err = e.Run(ctx, c)
			}
			c.Close()
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it has ended by itself")
		}
		s.log.Warn("the server of an example failed", "example", e.Name, "error", err, "again_after", exampleRetry.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(exampleRetry):
		}
	}
}
