package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/ws"
)

// dialBytesMax is the longest message that dial sends or receives.
const dialBytesMax = 64 << 20

const dialHelp = `  TEXT                  send TEXT as a message
  //TEXT                send /TEXT
  /hex HEX              send bytes, in hexadecimal
  /file PATH            send the bytes of a file
  /textfile PATH        send a file as text
  /ping [N]             measure the round trip, N times
  /status               what this connection is and has carried
  /time, /pretty, /hexdump   show times; indent JSON; show text as bytes: on or off
  /close [CODE [REASON…]]    close, with 1000 if no CODE is given
  /help                 this`

const dialKeys = `  Up, Down, Ctrl-R      what was typed before; search in it
  Tab                   complete commands and channels
  Alt-Enter, Ctrl-J     begin a new line of the same message
  Ctrl-C                drop what is typed; on an empty line, end
  Ctrl-D, Ctrl-Z        end; suspend`

func newDial() *cobra.Command {
	var o dialOptions
	cmd := &cobra.Command{
		Use:   "dial URL",
		Short: "Talk to a WebSocket by hand, or from a script",
		Long: `Dial connects to any WebSocket server.

On a terminal what you type is sent, and what arrives is printed above it: JSON
indented and coloured, bytes as a hex dump, control characters escaped. Lines that
begin with a slash are commands:

` + dialHelp + `

` + dialKeys + `

At /connect of a Godwit server commands may be written in words, such as
"subscribe chat" or "publish chat hello"; they get their ids, and their replies say
how long they took. /help lists them.

In a pipe each line of standard input is a message, and each message a line of
standard output; everything else is on standard error. Nothing in a line is special,
unless --commands says so. Bytes are printed in hexadecimal. At the end of the input
dial waits for answers for the time of --wait, or as long as --count and --for say.

It ends with 0 when the connection was closed in good order with 1000, 1001 or no
code, or by you, and everything that was asked for was done; with 1 when it was not,
or fewer messages came than --count; and with 2 for a mistake in the command line.`,
		Example: `  godwit dial ws://127.0.0.1:8000/channels/chat
  godwit dial ws://127.0.0.1:8000/connect                          # try: subscribe chat
  godwit dial wss://example.com/socket -s v2.chat -H 'X-Api: 2' --token env:TOKEN
  echo hello | godwit dial ws://127.0.0.1:9001 -n 1                # one question, one answer
  godwit dial ws://127.0.0.1:8000/connect -x 'subscribe chat' -n 5 # five messages, then end
  godwit dial wss://example.com/feed --for 10s --json > sample.ndjson
  godwit dial wss://example.com/feed --again < /dev/null | jq .price
  jq -c . orders.json | godwit dial wss://example.com/orders --wait 5s
  godwit dial ws://localhost/ --unix /run/app.sock --whole < message.json`,
		Args:              arguments(1, 1),
		ValidArgsFunction: offerEndpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			u, err := url.Parse(args[0])
			if err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
				return usagef("%q is not a URL to dial; write for example ws://127.0.0.1:8000/channels/chat", redact.Text(args[0]))
			}
			return o.run(cmd, u)
		},
	}
	o.flags(cmd)
	return cmd
}

// dialOptions are the flags of dial.
type dialOptions struct {
	headers, subprotocols          []string
	origin, token, user            string
	compress, insecure             bool
	ca, cert, key, unix            string
	timeout, wait, limit, interval time.Duration
	execute                        []string
	interactive, commands, again   bool
	count                          int
	null, whole, binary            bool
	asJSON, hex, raw               bool
	times, compact                 bool
	history                        string
	verbose                        bool

	waitIsGiven bool
}

func (o *dialOptions) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&o.headers, "header", "H", nil, "`'NAME: VALUE'` to send with the handshake; repeatable (default none)")
	flags.StringSliceVarP(&o.subprotocols, "subprotocol", "s", nil, "`NAME` of a subprotocol to offer; repeatable, the preferred one first (default none, and godwit.v1 at /connect)")
	flags.StringVar(&o.origin, "origin", "", "`ORIGIN` header, to look like a page: https://app.example.com (default none)")
	flags.StringVar(&o.token, "token", "", "`TOKEN` to show as Authorization: Bearer: itself, or env:NAME or file:PATH where others must not see it (default $"+bearerEnv+" for the server that $"+serverEnv+" names)")
	flags.StringVar(&o.user, "user", "", "`NAME:PASSWORD` to show as Authorization: Basic: itself, or env:NAME or file:PATH (default that of the URL)")
	flags.BoolVar(&o.compress, "compress", false, "offer compression (default false)")
	flags.BoolVar(&o.insecure, "insecure", false, "accept any certificate (default false)")
	flags.StringVar(&o.ca, "ca", "", "`FILE` with the certificates to trust, in PEM (default those of the system)")
	flags.StringVar(&o.cert, "cert", "", "`FILE` with a certificate to show, in PEM (default none)")
	flags.StringVar(&o.key, "key", "", "`FILE` with the key of --cert (default that of --cert)")
	flags.StringVar(&o.unix, "unix", "", "`FILE` that is a Unix socket, to connect to in place of the host (default none)")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "`DURATION` that connecting may take")
	flags.BoolVar(&o.again, "again", false, "connect again whenever the connection ends (default false)")
	flags.StringArrayVarP(&o.execute, "execute", "x", nil, "`LINE` to do first, as if it was typed; repeatable; nothing is read from standard input then (default none)")
	flags.BoolVarP(&o.interactive, "interactive", "i", false, "read standard input after --execute, too (default false)")
	flags.BoolVar(&o.commands, "commands", false, "take lines of a pipe as if they were typed, with /commands (default false)")
	flags.IntVarP(&o.count, "count", "n", 0, "end after `N` messages have come (default never)")
	flags.DurationVar(&o.limit, "for", 0, "end after `DURATION` (default never)")
	flags.DurationVar(&o.wait, "wait", time.Second, "`DURATION` to wait for answers after the end of standard input that is no terminal")
	flags.DurationVar(&o.interval, "ping", 0, "send a ping each `DURATION`, and say how long it took (default never)")
	flags.BoolVarP(&o.null, "null", "0", false, "messages end with a zero byte in place of a line end, on both sides (default false)")
	flags.BoolVar(&o.whole, "whole", false, "standard input is one message (default false)")
	flags.BoolVarP(&o.binary, "binary", "b", false, "send what is read as bytes (default false)")
	flags.BoolVar(&o.asJSON, "json", false, "print each message, and the end, as an object of JSON (default false)")
	flags.BoolVar(&o.hex, "hex", false, "print text as bytes, too: in hexadecimal (default false)")
	flags.BoolVar(&o.raw, "raw", false, "print the bytes of messages as they come, with nothing between (default false)")
	flags.BoolVarP(&o.times, "time", "t", false, "print when each message came, on a terminal (default false)")
	flags.BoolVar(&o.compact, "compact", false, "do not indent JSON on a terminal (default false)")
	flags.StringVar(&o.history, "history", "", "`FILE` for what is typed, or none; lines with secrets are left out (default "+historyDefaultText+")")
	flags.BoolVarP(&o.verbose, "verbose", "v", false, "show the header of the server's answer (default false)")
}

// check says what is wrong with the flags.
func (o *dialOptions) check(cmd *cobra.Command) error {
	for _, f := range []struct {
		name  string
		d     time.Duration
		least time.Duration
	}{{"timeout", o.timeout, 1}, {"wait", o.wait, 0}, {"for", o.limit, 0}, {"ping", o.interval, 0}} {
		if f.d < f.least || f.d == 0 && f.name != "wait" && cmd.Flags().Changed(f.name) {
			return usagef("--%s: %v is not a time to wait", f.name, f.d)
		}
	}
	forms := 0
	for _, is := range []bool{o.asJSON, o.hex, o.raw, o.null} {
		if is {
			forms++
		}
	}
	switch {
	case forms > 1:
		return usagef("--json, --hex, --raw and --null exclude each other")
	case o.whole && (o.null || o.commands):
		return usagef("--whole excludes --null and --commands: all of standard input is one message")
	case o.binary && o.commands:
		return usagef("--binary and --commands exclude each other; /hex and /file send bytes")
	case o.count < 0 || o.count == 0 && cmd.Flags().Changed("count"):
		return usagef("--count: %d is not a number of messages; use 1 or more", o.count)
	case o.interactive && len(o.execute) == 0:
		return usagef("--interactive is for --execute; without that standard input is read anyway")
	case o.token != "" && o.user != "":
		return usagef("--token and --user exclude each other")
	case o.key != "" && o.cert == "":
		return usagef("--key belongs to a --cert")
	}
	o.waitIsGiven = cmd.Flags().Changed("wait")
	return nil
}

// run connects, and does what there is to do until it is over.
func (o *dialOptions) run(cmd *cobra.Command, u *url.URL) error {
	target, err := o.target(u)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	d := &dialing{options: o, cmd: cmd, url: u, target: target, view: newDialView(o, cmd.OutOrStdout(), cmd.ErrOrStderr()), stop: stop}
	if o.limit > 0 {
		defer time.AfterFunc(o.limit, stop).Stop()
	}
	defer d.leave()
	if !o.again {
		conn, response, err := ws.Dial(ctx, u.String(), target)
		if response != nil {
			d.answered(response)
		}
		if err != nil {
			return d.failed(err, response)
		}
		return d.session(ctx, conn)
	}
	redialer := &ws.Redialer{URL: u.String(), DialOptions: target, Permanent: d.isOver, OnRetry: func(err error, pause time.Duration) {
		var e *ws.CloseError
		if !errors.As(err, &e) { // a session says itself how it ended
			d.view.note("%v", d.failed(err, nil))
		}
		d.view.note("connecting again in %v", pause.Round(10*time.Millisecond))
	}}
	err = redialer.Run(ctx, d.session)
	if err != nil && !d.over && ctx.Err() == nil {
		return d.failed(err, nil)
	}
	return d.result(err)
}

// failed makes an error of a handshake that has failed, nil if it was interrupted.
func (d *dialing) failed(err error, response *http.Response) error {
	switch {
	case d.cmd.Context().Err() != nil:
		return nil
	case response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return refusal(response)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("no connection within the %v of --for", d.options.limit)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer to the handshake within %v", d.options.timeout)
	}
	return fmt.Errorf("cannot connect: %w", err)
}

func parseHeaders(lines []string) (http.Header, error) {
	h := make(http.Header)
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usagef("--header: %q is not a header field; write 'Name: value'", line)
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}
