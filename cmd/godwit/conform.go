package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/conformance/report"
)

func newConform() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conform",
		Short: "Judge any WebSocket server or client by the specification",
		Long: `Conform plays the cases of a conformance suite for RFC 6455 and RFC 7692 against
a server that echoes, or for a client that does, and says of each what was seen.

A case passes or fails; or it is non-strict (a departure that does no harm),
unsupported (the peer lacks what it is about, and need not have it) or
informational (the specification leaves it open). The exit status is 1 when a
case failed, and 0 otherwise.`,
		Example: `  godwit conform server ws://127.0.0.1:9001/
  godwit conform server wss://echo.example/ --only utf8 --only 'close/code-*'
  godwit conform client --listen 127.0.0.1:9002 --html report.html`,
	}
	cmd.AddCommand(newConformServer(), newConformClient())
	return cmd
}

func newConformServer() *cobra.Command {
	var c conform
	var insecure bool
	cmd := &cobra.Command{
		Use:   "server URL",
		Short: "Judge a server that echoes text and binary messages",
		Long: `Server plays the cases against the server at URL, which must echo text and binary
messages, as "godwit echo" does. Some cases are hard on it: floods, resets,
megabytes, compressed bombs. Do not point it at a server that others use.`,
		Example: `  godwit conform server ws://127.0.0.1:9001/
  godwit conform server ws://127.0.0.1:9001/ --html report.html --junit report.xml
  godwit conform server ws://127.0.0.1:9001/ --only deflate --skip 'deflate/bomb-*'
  godwit conform server ws://127.0.0.1:9001/ --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.list {
				return arguments(0, 1)(cmd, args)
			}
			return arguments(1, 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if insecure {
				c.options.TLS = &tls.Config{InsecureSkipVerify: true}
			}
			return c.run(cmd, conformance.Server, func(ctx context.Context) (*conformance.Report, error) {
				return conformance.RunServer(ctx, args[0], c.options)
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().IntVar(&c.options.Jobs, "jobs", conformance.DefaultJobs, "how many cases run at once, `N`")
	cmd.Flags().BoolVar(&insecure, "insecure", false, "do not verify the server's certificate (default false)")
	return cmd
}

func newConformClient() *cobra.Command {
	var c conform
	var listen string
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Judge a client that echoes text and binary messages",
		Long: `Client waits for a client and plays the cases with it. The client must echo text
and binary messages. It learns from ws://ADDRESS/cases how many cases there are,
in one text message, then connects to /case?n=1, /case?n=2 and so on until each
connection ends, and at last to /report. Clients that drive themselves through
the best known public suite (/getCaseCount, /runCase?case=1, /updateReports) work
as they are.`,
		Example: `  godwit conform client
  godwit conform client --listen 127.0.0.1:0 --html report.html`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.run(cmd, conformance.Client, func(ctx context.Context) (*conformance.Report, error) {
				ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
				if err != nil {
					return nil, fmt.Errorf("cannot listen on %s: %w; choose another with --listen", listen, cause(err))
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Waiting for a client on ws://%s/cases. Press Ctrl-C to stop.\n", ln.Addr())
				return conformance.RunClient(ctx, ln, c.options)
			})
		},
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9002", "`ADDRESS` to listen on, host:port; port 0 picks a free one")
	c.flags(cmd)
	return cmd
}

// conform is what judging servers and clients has in common.
type conform struct {
	options           conformance.Options
	list              bool
	html, json, junit string
}

func (c *conform) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&c.options.Only, "only", nil, "run only cases that match `PATTERN`, an ID or a group, with * and ?; may be repeated (default all)")
	flags.StringArrayVar(&c.options.Skip, "skip", nil, "leave out cases that match `PATTERN`; may be repeated (default none)")
	flags.DurationVar(&c.options.Timeout, "timeout", conformance.DefaultTimeout, "how long a case may take; a few get six times as much")
	flags.StringVar(&c.html, "html", "", "write a report for people to `FILE` (default none)")
	flags.StringVar(&c.json, "json", "", "write a report for programs to `FILE` (default none)")
	flags.StringVar(&c.junit, "junit", "", "write a report for CI systems, JUnit XML, to `FILE` (default none)")
	flags.BoolVar(&c.list, "list", false, "list the cases and run none (default false)")
}

// run runs what play runs and reports it.
func (c *conform) run(cmd *cobra.Command, role conformance.Role, play func(context.Context) (*conformance.Report, error)) error {
	cases, err := conformance.Select(role, c.options.Only, c.options.Skip)
	switch {
	case err != nil:
		return usagef("%s", strings.TrimPrefix(err.Error(), "conformance: "))
	case len(cases) == 0:
		return usagef("--only and --skip leave no case")
	case c.options.Timeout <= 0:
		return usagef("--timeout must be more than 0")
	case c.options.Jobs < 0 || c.options.Jobs == 0 && role == conformance.Server:
		return usagef("--jobs must be more than 0")
	}
	out := cmd.OutOrStdout()
	if c.list {
		return listCases(out, cases)
	}
	// What cannot be written later is better known now.
	reports := []struct {
		flag, file string
		write      func(io.Writer, *conformance.Report) error
	}{{"--html", c.html, report.HTML}, {"--json", c.json, report.JSON}, {"--junit", c.junit, report.JUnit}}
	for _, r := range reports {
		if r.file == "" {
			continue
		}
		f, err := os.OpenFile(r.file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return usagef("%s: %s", r.flag, cause(err))
		}
		_ = f.Close()
	}
	progress := newConformProgress(cmd.ErrOrStderr())
	c.options.Progress = progress.show
	result, err := play(cmd.Context())
	progress.clear()
	if err != nil {
		if cmd.Context().Err() != nil {
			return errors.New("interrupted")
		}
		if errors.Is(err, conformance.ErrURL) {
			return usagef("%s", strings.TrimPrefix(err.Error(), "conformance: "))
		}
		return errors.New(strings.TrimPrefix(err.Error(), "conformance: "))
	}
	if err := report.Text(out, result); err != nil {
		return err
	}
	for _, r := range reports {
		if r.file == "" {
			continue
		}
		if err := writeReport(r.file, result, r.write); err != nil {
			return fmt.Errorf("cannot write %s: %w", r.file, cause(err))
		}
	}
	switch failed := result.Count(conformance.Fail); {
	case len(result.Suspects) > 0:
		return errors.New("the server stopped accepting connections")
	case failed == 1:
		return errors.New("1 case failed")
	case failed > 0:
		return fmt.Errorf("%d cases failed", failed)
	case result.Interrupted:
		return errors.New("interrupted before all cases had run")
	}
	return nil
}

func listCases(w io.Writer, cases []conformance.Case) error {
	var b strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&b, "%s\n    %s (%s)\n", c.ID, c.Checks, c.Section)
	}
	fmt.Fprintf(&b, "%d cases\n", len(cases))
	_, err := io.WriteString(w, b.String())
	return err
}

func writeReport(file string, r *conformance.Report, write func(io.Writer, *conformance.Report) error) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := write(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// conformProgress shows how far a run is: on a terminal in one line that
// changes, elsewhere a line now and then.
type conformProgress struct {
	w        io.Writer
	terminal bool
	last     time.Time
}

func newConformProgress(w io.Writer) *conformProgress {
	return &conformProgress{w: w, terminal: isTerminal(w), last: time.Now()}
}

func (p *conformProgress) show(done, total int, r *conformance.Result) {
	pause := 10 * time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	if time.Since(p.last) < pause {
		return
	}
	p.last = time.Now()
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%d of %d cases · %s", done, total, r.ID)
		return
	}
	fmt.Fprintf(p.w, "%d of %d cases\n", done, total)
}

// clear removes the line that show left on a terminal.
func (p *conformProgress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
