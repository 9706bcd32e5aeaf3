package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/redact"
)

// healthDefault is where a server says whether it can serve, if nobody says otherwise.
const healthDefault = serverDefault + healthPath

const healthPath = "/readyz"

func newHealthcheck() *cobra.Command {
	var target string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a server whether it can serve",
		Long: `Healthcheck asks a server whether it can serve, and ends with 0 if it says so and
with 1 if it does not, or does not answer in time. It is for containers, which
have no other program that could ask.

Redirects and proxies are not followed. A certificate is not verified if the
server is on this machine: it is for another name.`,
		Example: `  godwit healthcheck
  godwit healthcheck --url http://127.0.0.1:9000/healthz --timeout 5s
  godwit healthcheck --url https://127.0.0.1              # asks for /readyz
  godwit healthcheck --url unix:/run/godwit/godwit.sock`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return usagef("--timeout: %v is not a time to wait", timeout)
			}
			u, socket, err := healthTarget(target)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			if err := checkHealth(ctx, u, socket); err != nil {
				if errors.Is(err, context.DeadlineExceeded) {
					return fmt.Errorf("no answer from %s within %v", shownTarget(u, socket), timeout)
				}
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s says that it can serve\n", shownTarget(u, socket))
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&target, "url", healthDefault, "`URL` to ask, or unix:PATH of a socket")
	flags.DurationVar(&timeout, "timeout", 2*time.Second, "`DURATION` in which the answer has to come")
	return cmd
}

// healthTarget is where to ask: a URL, and the path of the socket over which, if it is
// one.
func healthTarget(target string) (u *url.URL, socket string, err error) {
	if path, ok := strings.CutPrefix(target, "unix:"); ok {
		if path = strings.TrimPrefix(path, "//"); path == "" {
			return nil, "", usagef("--url: %q names no socket; write for example unix:/run/godwit/godwit.sock", target)
		}
		return &url.URL{Scheme: "http", Host: "localhost", Path: healthPath}, path, nil
	}
	u, err = url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Fragment != "" {
		return nil, "", usagef("--url: %q is not a URL to ask; write for example %s, or unix:PATH", redact.Text(target), healthDefault)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = healthPath
	}
	return u, "", nil
}

func shownTarget(u *url.URL, socket string) string {
	if socket != "" {
		return "unix:" + socket
	}
	return redact.URL(u)
}

// checkHealth returns nil if the answer is one of success.
func checkHealth(ctx context.Context, u *url.URL, socket string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
	}
	if isThisMachine(u.Hostname()) {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nobody is between
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fmt.Errorf("%s cannot be asked", shownTarget(u, socket))
	}
	r.Header.Set("User-Agent", "godwit healthcheck")
	response, err := client.Do(r)
	if err != nil {
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return fmt.Errorf("cannot reach %s: %w", shownTarget(u, socket), cause(err))
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return refusal(response)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, refusalBytesMax))
	return err
}

// isThisMachine reports whether host is a name or an address of loopback.
func isThisMachine(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
