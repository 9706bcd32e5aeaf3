package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-io/godwit/examples/gallery"
	"github.com/godwit-io/godwit/server"
)

func newServe() *cobra.Command {
	var config string
	var upgrade bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Serve runs the server. It needs no configuration: on loopback, everyone on this
machine can read and publish on every channel.

Settings come from defaults, then the file of --config (YAML or JSON), then the
environment (history.count of the file is GODWIT_HISTORY_COUNT), then flags; the
last one wins.

SIGINT (Ctrl-C) and SIGTERM stop it in good order: streams end and WebSockets are
closed with 1001, so that clients reconnect elsewhere, then it exits with 0. A
second signal ends it at once, or first the wait of --drain-delay.

SIGHUP reads the configuration again. What can change while the server runs does,
all of it or, if anything is wrong, nothing: tokens, keys, anonymous, channels,
hooks, apps, rates and the level of the log. The log says what needs a restart.

SIGUSR2 has a new process of the program take its place, on Linux: with the same
arguments, and the configuration as it is by then. Nobody is refused meanwhile and
nothing is lost: histories, positions and revocations go over, and clients are told
to come back at a pace. If the new one cannot serve, nothing changes. The same is
done by "godwit serve --upgrade" with the arguments of the server, which waits for
the outcome and finds the server by pid_file.

It logs to standard error. On a terminal, and unless the log is JSON, it says on
standard output what is where; elsewhere it prints nothing there, and the line
"serving" of the log has the address.`,
		Example: `  godwit serve
  godwit serve --listen 127.0.0.1:9000 --history-count 100 --history-age 1h
  godwit serve --origin https://app.example.com --origin 'http://localhost:*'
  godwit serve --config godwit.yaml
  GODWIT_LOG_LEVEL=debug godwit serve
  godwit serve --config godwit.yaml --upgrade             # the one that runs, without a pause`,
		Args: arguments(0, 0),
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	settings := []*settingFlag{
		{key: "listen", name: "listen", typ: "ADDRESS", list: true, usage: "address to listen on, host:port or unix:/path/to.sock; localhost is IPv4 and IPv6, port 0 picks a free one; repeatable (default 127.0.0.1:8000)"},
		{key: "insecure", name: "insecure", typ: "bool", usage: "allow an address that other machines can reach, although nobody has to authenticate (default false)"},
		{key: "origins", name: "origin", typ: "PATTERN", list: true, usage: "pages that may connect besides the server's own: https://app.example.com, https://*.example.com, http://localhost:*, or *; repeatable (default none)"},
		{key: "credentials", name: "credentials", typ: "bool", usage: "let pages of each --origin that has no wildcard send cookies and other credentials (default false)"},
		{key: "demo", name: "demo", typ: "bool", usage: "publish a made-up price to demo/ticker five times a second, and show the examples at /examples/ (default true on loopback)"},
		{key: "history.count", name: "history-count", typ: "NUMBER", usage: "publications each channel remembers; 0 for none (default 1000)"},
		{key: "history.age", name: "history-age", typ: "DURATION", usage: "how long each channel remembers a publication (default 10m)"},
		{key: "data", name: "data", typ: "DIR", usage: "directory for histories, positions and idempotency keys, which then outlive the process (default none: in memory)"},
		{key: "sync", name: "sync", typ: "WHEN", usage: "with --data, when what was accepted is safe from a failure of power: always, before it is acknowledged, or interval, within a second (default interval)"},
		{key: "broker.url", name: "broker", typ: "URL", list: true, usage: "broker that keeps histories and connects nodes: nats://…, tls://…, redis://… or rediss://…; repeatable (default none)"},
		{key: "driver", name: "driver", typ: "DRIVER", usage: "what carries WebSockets: engine, a loop for each core, or goroutine, two for each connection (default engine on Linux, else goroutine)"},
		{key: "drain_delay", name: "drain-delay", typ: "DURATION", usage: "when stopping, how long to go on while /readyz says 503, so that balancers notice (default 0s)"},
		{key: "drain_timeout", name: "drain-timeout", typ: "DURATION", usage: "how long to wait for connections to end when stopping (default 10s)"},
		{key: "log.level", name: "log-level", typ: "LEVEL", usage: "debug (every request), info, warn or error (default info)"},
		{key: "log.format", name: "log-format", typ: "FORMAT", usage: "text or json, on standard error (default text)"},
	}
	for i, s := range settings {
		if i == 1 {
			flags.Var((*fileName)(&config), "config", "file with settings, YAML or JSON (default none)")
		}
		f := flags.VarPF(s, s.name, "", s.usage)
		if s.typ == "bool" {
			f.NoOptDefVal = "true"
		}
	}

	flags.BoolVar(&upgrade, "upgrade", false, "have the server that runs with this configuration replaced by a new process, without a pause (default false)")

	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var overrides []server.Override
		for _, s := range settings {
			if len(s.values) > 0 {
				overrides = append(overrides, server.Override{Key: s.key, Value: strings.Join(s.values, ","), Source: "--" + s.name})
			}
		}
		load := func() (server.Config, error) { return server.Load(config, os.Environ(), overrides) }
		c, err := load()
		if err != nil {
			return err
		}
		if upgrade {
			return requestUpgrade(cmd.Context(), cmd.OutOrStdout(), c)
		}
		examples := new(exampleServers)
		c.Gallery = gallery.Handler(examples.opened)
		s, err := server.New(c)
		if err != nil {
			return err
		}
		if err := takeOver(cmd.Context(), s); err != nil {
			return errors.Join(err, s.Close())
		}
		if err := s.Listen(cmd.Context()); err != nil {
			_ = s.Close() // it was never used
			return err
		}
		// Where nobody looks, the log says the same.
		if isTerminal(cmd.OutOrStdout()) && c.Log.Format == server.DefaultLogFormat {
			greet(cmd.OutOrStdout(), s)
		}
		defer skipDelayOnSignal(s)()
		defer reloadOnSignal(cmd.Context(), s, load)()
		defer upgradeOnSignal(cmd.Context(), s)()
		defer examples.start(cmd.Context(), s)()
		return s.Run(cmd.Context())
	}
	return cmd
}

// takeOver has s take the place of the process that has started this one for that, if
// there is one.
func takeOver(ctx context.Context, s *server.Server) error {
	conn, err := server.Predecessor()
	if conn == nil || err != nil {
		return err
	}
	return s.TakeOver(ctx, conn)
}

// skipDelayOnSignal has the second signal end the delay before the drain, if it
// comes then. Any after that do what they do by default. stop ends that.
func skipDelayOnSignal(s *server.Server) (stop func()) {
	delay := s.Config().DrainDelay
	if delay == 0 {
		return func() {}
	}
	signals, stopped := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer signal.Stop(signals)
		select {
		case <-signals:
		case <-stopped:
			return
		}
		select {
		case <-signals:
			s.SkipDrainDelay()
		case <-time.After(delay):
		case <-stopped:
		}
	})
	return func() {
		close(stopped)
		waiting.Wait()
	}
}

// greet says where the server is and what is open to everybody.
func greet(w io.Writer, s *server.Server) {
	fmt.Fprintf(w, "Godwit %s\n\n", server.ThisBuild().Version)
	if path, isFile := s.Addr().(*net.UnixAddr); isFile {
		fmt.Fprintf(w, "  a channel  curl --unix-socket %s http://localhost/channels/chat\n\n", path)
	} else {
		host := address(s.Addr())
		secure := ""
		if s.IsSecure() {
			secure = "s"
		}
		fmt.Fprintf(w, "  page       http%s://%s/\n", secure, host)
		fmt.Fprintf(w, "  a channel  ws%s://%s/channels/chat\n", secure, host)
		fmt.Fprintf(w, "             http%s://%s/channels/chat\n", secure, host)
		if admin := s.AdminAddr(); admin != nil {
			fmt.Fprintf(w, "  metrics    http://%s/metrics\n\n", address(admin))
		} else {
			fmt.Fprintf(w, "  metrics    http%s://%s/metrics\n\n", secure, host)
		}
	}
	greetOthers(w, s)
	c := s.Config()
	isOpen := !c.IsProtected()
	if isOpen {
		fmt.Fprintln(w, "Everyone who can reach this address can read and publish on every channel.")
	} else {
		fmt.Fprintln(w, "Clients may do what the configuration grants them, and nothing else.")
	}
	switch {
	case !s.Local() && !isOpen:
		fmt.Fprintln(w, "Other machines can reach it. In browsers, only pages of these origins can: "+origins(c)+".")
	case !s.Local():
		fmt.Fprintln(w, "OTHER MACHINES CAN REACH IT. In browsers, only pages of these origins can: "+origins(c)+".")
	case s.Addr().Network() == "unix":
		fmt.Fprintln(w, "It is a file: only programs on this machine that may write to it can.")
	default:
		fmt.Fprintln(w, "It is on loopback: only programs on this machine can, and only pages of these origins: "+origins(c)+".")
	}
	if s.Demo() {
		fmt.Fprintln(w, "A demo feed runs on channel demo/ticker, and there are examples at /examples/; --demo=false leaves them out.")
	}
	fmt.Fprintln(w, "\nPress Ctrl-C to stop.")
}

func origins(c server.Config) string {
	return strings.Join(append([]string{"its own"}, c.Origins...), ", ")
}

// address is how a listener can be reached from this machine.
func address(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// settingFlag is a flag whose value package server parses, so that a setting
// gives the same errors wherever it is made.
type settingFlag struct {
	key, name, typ, usage string

	list   bool // may be repeated
	values []string
}

var _ pflag.Value = (*settingFlag)(nil)

func (s *settingFlag) String() string { return "" } // the default is in the usage
func (s *settingFlag) Type() string   { return s.typ }

func (s *settingFlag) Set(value string) error {
	if !s.list {
		s.values = nil
	}
	s.values = append(s.values, value)
	return nil
}

// fileName is a string flag that is called FILE in help.
type fileName string

func (f *fileName) String() string { return string(*f) }
func (f *fileName) Type() string   { return "FILE" }

func (f *fileName) Set(value string) error {
	if value == "" {
		return errors.New("a file is needed")
	}
	*f = fileName(value)
	return nil
}
