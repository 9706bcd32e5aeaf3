package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/godwit-io/godwit/inspect"
	"github.com/godwit-io/godwit/ws/handshake"
)

func newInspect() *cobra.Command {
	var o inspect.Options
	var headers []string
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:   "inspect URL",
		Short: "Explain a WebSocket endpoint, above all one that does not work",
		Long: `Inspect connects to a WebSocket endpoint and explains, step by step, what happens:
DNS, TCP, TLS and its certificates, redirects, the handshake, what the server
sends, pings, compression, the close, and which pages may connect. Each thing it
finds comes with what it means and what to do about it.

It sends no message of its own, only pings and a close frame, unless --compress
asks for a sample. It makes a few more handshakes to learn how the server treats
other origins, or which part of a refused request it does not like.

URL may lack its scheme: host, host:port and host/path do. The exit status is 0
when the endpoint works and 1 when it does not.`,
		Example: `  godwit inspect wss://example.com/socket
  godwit inspect example.com
  godwit inspect wss://example.com/socket --origin https://app.example.com --subprotocol v2.chat
  godwit inspect ws://127.0.0.1:8000/channels/chat --json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			o.Header = h
			switch {
			case o.Sample && o.NoCompression:
				return usagef("--compress and --no-compress exclude each other")
			case o.Timeout <= 0:
				return usagef("--timeout: %v is not a time to wait", o.Timeout)
			case o.Pings < 0:
				return usagef("--pings: %d is not a number of pings", o.Pings)
			case o.Pings == 0:
				o.Pings = inspect.NoPings
			}
			report, err := inspect.Run(cmd.Context(), args[0], &o)
			var target *inspect.TargetError
			var field *handshake.FieldError
			switch {
			case errors.As(err, &target):
				return usagef("%q is not an endpoint to inspect: %s", target.Target, target.Reason)
			case errors.As(err, &field):
				return usagef("%s: %s", field.Field, field.Reason)
			case err != nil:
				return errors.New("interrupted")
			}
			if err := printInspection(cmd, report, asJSON, verbose); err != nil {
				return err
			}
			if !report.Works {
				return errors.New("the endpoint does not work")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&headers, "header", "H", nil, "`'NAME: VALUE'` to send with the handshake; repeatable (default none)")
	flags.StringVar(&o.Origin, "origin", "", "`ORIGIN` header, to look like a page: https://app.example.com (default none)")
	flags.StringSliceVar(&o.Subprotocols, "subprotocol", nil, "`NAME` of a subprotocol to offer; repeatable, the preferred one first (default none)")
	flags.BoolVar(&o.Sample, "compress", false, "send a sample message, which the application sees, and measure its compression if it is echoed (default false)")
	flags.BoolVar(&o.NoCompression, "no-compress", false, "do not offer compression (default false)")
	flags.BoolVar(&o.Insecure, "insecure", false, "go on in spite of a certificate that cannot be trusted (default false)")
	flags.IntVar(&o.Pings, "pings", inspect.DefaultPings, "how many pings to send, `N`")
	flags.DurationVar(&o.Timeout, "timeout", inspect.DefaultTimeout, "`DURATION` that each step may take")
	flags.BoolVar(&asJSON, "json", false, "print a JSON object (default false)")
	flags.BoolVarP(&verbose, "verbose", "v", false, "show the bytes of every frame (default false)")
	return cmd
}

func printInspection(cmd *cobra.Command, r *inspect.Report, asJSON, verbose bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	o := inspect.PrintOptions{Raw: verbose}
	if isTerminal(out) {
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(out.(*os.File).Fd())); err == nil && width >= 40 {
			o.Width = min(width, 120)
		}
	}
	if err := inspect.Print(out, r, o); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s in %v\n", inspectionCounts(r), r.Duration.Round(time.Millisecond))
	return err
}

func inspectionCounts(r *inspect.Report) string {
	text := ""
	for _, g := range []inspect.Grade{inspect.Error, inspect.Warning, inspect.Note, inspect.OK} {
		if n := r.Count(g); n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", n, g)
			if n > 1 && g != inspect.OK {
				text += "s"
			}
		}
	}
	return text
}
