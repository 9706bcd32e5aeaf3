package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// dialBytesMax is the longest message that dial receives.
const dialBytesMax = 64 << 20

const dialHelp = `  TEXT             send TEXT as a message
  /binary HEX      send bytes, in hexadecimal
  /ping            measure the round trip
  /close           close with 1000
  /close CODE REASON…
  /help            this
  //TEXT           send /TEXT`

func newDial() *cobra.Command {
	var headers, subprotocols []string
	var origin string
	var timeout, wait time.Duration
	var verbose bool
	cmd := &cobra.Command{
		Use:   "dial URL",
		Short: "Talk to a WebSocket by hand",
		Long: `Dial connects to any WebSocket server. Each line you type is sent as a text
message; what arrives is printed behind "<". Lines that begin with a slash are
commands:

` + dialHelp + `

When standard input is a file or a pipe, its lines are sent the same way, and at
its end dial waits for answers for the time of --wait, or until the server
closes. What arrives is on standard output, everything else on standard error.

It ends with 0 when the connection was closed in good order with 1000, 1001 or no
code, or by you, and with 1 otherwise.`,
		Example: `  godwit dial ws://127.0.0.1:8000/channels/chat
  godwit dial wss://example.com/socket --subprotocol v2.chat --header 'Authorization: Bearer …'
  echo hello | godwit dial ws://127.0.0.1:9001 --wait 200ms
  printf '/ping\n/close 4000 done\n' | godwit dial ws://127.0.0.1:9001`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			h, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			if origin != "" {
				h.Set("Origin", origin)
			}
			for name, d := range map[string]time.Duration{"timeout": timeout, "wait": wait} {
				if d < 0 || d == 0 && name == "timeout" {
					return usagef("--%s: %v is not a time to wait", name, d)
				}
			}
			if u, err := url.Parse(args[0]); err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
				return usagef("%q is not a URL to dial; write for example ws://127.0.0.1:8000/channels/chat", redact.Text(args[0]))
			}
			conn, response, err := ws.Dial(cmd.Context(), args[0], &ws.DialOptions{
				Options: ws.Options{MessageBytesMax: dialBytesMax}, Header: h, Subprotocols: subprotocols, HandshakeTimeout: timeout,
			})
			s := &dialSession{cmd: cmd, conn: conn, interactive: isTerminal(cmd.InOrStdin()), wait: wait}
			if response != nil {
				s.handshake(response, verbose)
			}
			switch {
			case err != nil && cmd.Context().Err() != nil:
				return nil
			case err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols:
				return refusal(response)
			case errors.Is(err, context.DeadlineExceeded):
				return fmt.Errorf("no answer to the handshake within %v", timeout)
			case err != nil:
				return fmt.Errorf("cannot connect: %w", err)
			}
			return s.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&headers, "header", "H", nil, "`'NAME: VALUE'` to send with the handshake; repeatable (default none)")
	flags.StringSliceVar(&subprotocols, "subprotocol", nil, "`NAME` of a subprotocol to offer; repeatable, the preferred one first (default none)")
	flags.StringVar(&origin, "origin", "", "`ORIGIN` header, to look like a page: https://app.example.com (default none)")
	flags.DurationVar(&timeout, "timeout", 10*time.Second, "`DURATION` that connecting may take")
	flags.DurationVar(&wait, "wait", time.Second, "`DURATION` to wait for answers after the end of standard input that is no terminal")
	flags.BoolVarP(&verbose, "verbose", "v", false, "show the header of the server's answer (default false)")
	return cmd
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

// dialSession is one connection and the person or script who uses it.
type dialSession struct {
	cmd         *cobra.Command
	conn        *ws.Conn
	interactive bool
	wait        time.Duration
	closed      bool // by us
}

// say prints what is not from the peer.
func (s *dialSession) say(format string, args ...any) {
	fmt.Fprintf(s.cmd.ErrOrStderr(), "* %s\n", oneLine(fmt.Sprintf(format, args...)))
}

func (s *dialSession) handshake(r *http.Response, verbose bool) {
	s.say("%s", r.Status)
	if verbose {
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			for _, value := range r.Header[name] {
				s.say("%s: %s", name, value)
			}
		}
	}
	if s.conn == nil {
		return
	}
	text := "connected"
	if p := s.conn.Subprotocol(); p != "" {
		text += ", subprotocol " + p
	}
	if s.interactive {
		text += "; /help shows the commands, Ctrl-D ends"
	}
	s.say("%s", text)
}

// run sends what is typed and prints what arrives until the connection ends.
func (s *dialSession) run(ctx context.Context) error {
	received := make(chan error, 1)
	go func() { received <- s.receive() }()
	input, over := make(chan string), make(chan struct{})
	defer close(over)
	go s.read(input, over) // a read that waits ends with the process: standard input cannot be interrupted

	var expired <-chan time.Time
	for {
		select {
		case err := <-received:
			return s.end(err)
		case <-ctx.Done():
			s.close(ws.StatusGoingAway, "")
		case <-expired:
			s.close(ws.StatusNormal, "")
		case line, ok := <-input:
			if ok {
				if err := s.handle(ctx, line); err != nil && s.conn.Err() == nil && ctx.Err() == nil {
					s.say("%v", err)
				}
				continue
			}
			input = nil
			if s.interactive || s.wait == 0 {
				s.close(ws.StatusNormal, "")
			} else {
				timer := time.NewTimer(s.wait)
				defer timer.Stop()
				expired = timer.C
				continue
			}
		}
		return s.end(<-received)
	}
}

// read sends the lines of standard input to input, and closes it. It ends when
// over is closed, at its next line.
func (s *dialSession) read(input chan<- string, over <-chan struct{}) {
	defer close(input)
	in := bufio.NewReader(s.cmd.InOrStdin())
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			select {
			case input <- strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"):
			case <-over:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// handle does what one line asks for. An error is one of the line.
func (s *dialSession) handle(ctx context.Context, line string) error {
	if text, ok := strings.CutPrefix(line, "//"); ok {
		return s.conn.Write(ctx, ws.MessageText, []byte("/"+text))
	}
	if !strings.HasPrefix(line, "/") {
		return s.conn.Write(ctx, ws.MessageText, []byte(line))
	}
	command, rest, _ := strings.Cut(line, " ")
	switch command {
	case "/help":
		fmt.Fprintln(s.cmd.ErrOrStderr(), dialHelp)
	case "/ping":
		took, err := s.conn.Ping(ctx)
		if err != nil {
			return err
		}
		s.say("pong after %v", took.Round(time.Microsecond))
	case "/binary":
		b, err := hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		if err != nil {
			return fmt.Errorf("/binary: %q is not hexadecimal; write for example /binary 00ff", rest)
		}
		return s.conn.Write(ctx, ws.MessageBinary, b)
	case "/close":
		code, reason, _ := strings.Cut(rest, " ")
		n := uint64(ws.StatusNormal)
		if code != "" {
			var err error
			if n, err = strconv.ParseUint(code, 10, 16); err != nil || !ws.StatusCode(n).OnWire() {
				return fmt.Errorf("/close: %q is not a code that may be sent; use 1000, or 3000 to 4999", code)
			}
		}
		s.close(ws.StatusCode(n), reason)
	default:
		return fmt.Errorf("there is no command %s; /help shows them, // sends a slash", command)
	}
	return nil
}

func (s *dialSession) close(code ws.StatusCode, reason string) {
	s.closed = true
	_ = s.conn.Close(code, reason) // receive learns how it ended
}

// receive prints messages until the connection ends, and returns how it did.
func (s *dialSession) receive() error {
	out := s.cmd.OutOrStdout()
	for {
		typ, message, err := s.conn.Read(context.Background())
		if err != nil {
			return err
		}
		line := "< " + forPeople(out, string(message)) + "\n"
		if typ == ws.MessageBinary {
			line = fmt.Sprintf("< [%d bytes] %x\n", len(message), message)
		}
		if _, err := io.WriteString(out, line); err != nil {
			_ = s.conn.CloseNow()
			return fmt.Errorf("cannot write: %w", err)
		}
	}
}

// end tells how the connection ended and judges it.
func (s *dialSession) end(err error) error {
	var e *ws.CloseError
	if !errors.As(err, &e) {
		return err
	}
	s.say("closed: %s", explainEnd(err))
	switch {
	case e.Err == nil && (s.closed || e.Code == ws.StatusNormal || e.Code == ws.StatusGoingAway || e.Code == wire.CloseNoStatus):
		return nil
	case s.closed && e.Code == wire.CloseAbnormal && s.cmd.Context().Err() != nil:
		return nil
	}
	return errors.New("the connection did not end in good order")
}

// closeMeanings say what a close code is used for (RFC 6455 §7.4.1 and the IANA
// registry), for people who have not learnt them by heart.
var closeMeanings = map[ws.StatusCode]string{
	wire.CloseNormal:             "what it was for is done",
	wire.CloseGoingAway:          "the server is shutting down, or the page was left",
	wire.CloseProtocolError:      "the other side saw a violation of RFC 6455",
	wire.CloseUnsupportedData:    "a type of message that is not accepted there",
	wire.CloseNoStatus:           "the other side gave no code",
	wire.CloseAbnormal:           "the connection broke without a close frame",
	wire.CloseInvalidPayload:     "text that is not UTF-8, or data that does not fit its type",
	wire.ClosePolicyViolation:    "against the rules of the application",
	wire.CloseMessageTooBig:      "a message longer than is accepted there",
	wire.CloseMandatoryExtension: "the client wanted an extension that the server lacks",
	wire.CloseInternalError:      "the server failed, or a ping was not answered in time",
	wire.CloseServiceRestart:     "the server restarts: connect again after a random wait",
	wire.CloseTryAgainLater:      "the server is overloaded: connect again later",
	wire.CloseBadGateway:         "a gateway got an invalid answer from the server behind it",
	4408:                         "Godwit: the client took publications too slowly for this channel; connect again",
	4410:                         "Godwit: the position is no longer in the channel's history",
}

// explainEnd says how a connection ended, with what its close code means.
func explainEnd(err error) string {
	var e *ws.CloseError
	if !errors.As(err, &e) {
		return err.Error()
	}
	text := e.Code.String()
	if e.Reason != "" {
		text += " " + strconv.Quote(e.Reason)
	}
	if meaning := closeMeanings[e.Code]; meaning != "" {
		text += " (" + meaning + ")"
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}
