package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

const (
	// pubTimeout bounds one publication, from the connection to the answer.
	pubTimeout = 30 * time.Second

	// pubBytesMax is what a message may have here; the limit of the server, which
	// says what it is, is usually far below.
	pubBytesMax = 64 << 20
)

func newPub() *cobra.Command {
	var p publisher
	var server, token string
	var lines, asJSON, binary bool
	cmd := &cobra.Command{
		Use:   "pub CHANNEL [MESSAGE]",
		Short: "Publish to a channel",
		Long: `Pub publishes MESSAGE, or else what it reads from standard input, and prints the
position that the publication got. What is read as text ends before its final
line end. Standard input must not be empty; an empty MESSAGE is '' on the command
line.`,
		Example: `  godwit pub chat 'hello'
  godwit pub match/42/score '{"home":1,"away":0}' --json
  date | godwit pub clock
  tail -f app.log | godwit pub logs/app --lines
  godwit pub images/cat --content-type image/jpeg < cat.jpg
  godwit pub orders "$order" --idempotency-key "$id"     # safe to repeat for 5 minutes`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case asJSON && binary, p.contentType != "" && (asJSON || binary):
				return usagef("--json, --binary and --content-type exclude each other")
			case lines && len(args) == 2:
				return usagef("--lines reads standard input, so leave MESSAGE out")
			case lines && p.key != "":
				return usagef("--lines and --idempotency-key exclude each other: every line would be the same publication")
			case asJSON:
				p.contentType = "application/json"
			case binary:
				p.contentType = "application/octet-stream"
			case p.contentType == "":
				p.contentType, p.text = "text/plain; charset=utf-8", true
			}
			var err error
			if p.url, err = channelURL(server, args[0]); err != nil {
				return err
			}
			if p.token, err = bearer(token); err != nil {
				return err
			}
			p.out, p.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
			p.client = &http.Client{
				Timeout: pubTimeout,
				// A POST that was redirected would become a GET.
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
			defer p.client.CloseIdleConnections()
			switch {
			case lines:
				return p.lines(cmd, cmd.InOrStdin())
			case len(args) == 2:
				return p.publish(cmd, []byte(args[1]))
			}
			if isTerminal(cmd.InOrStdin()) {
				fmt.Fprintln(p.errOut, "Type the message, then Ctrl-D.")
			}
			message, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), pubBytesMax+1))
			if err != nil {
				return fmt.Errorf("cannot read standard input: %w", err)
			}
			if len(message) > pubBytesMax {
				return fmt.Errorf("standard input is longer than %d MiB, the most that is read", pubBytesMax>>20)
			}
			if len(message) == 0 {
				// A command in front of the pipe that failed leaves nothing, too.
				return errors.New("standard input is empty; write '' as MESSAGE to publish an empty message")
			}
			if p.text {
				message = trimLineEnd(message)
			}
			return p.publish(cmd, message)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	serverFlag(cmd, &server)
	tokenFlag(cmd, &token)
	flags.BoolVar(&lines, "lines", false, "publish each line of standard input by itself, as it comes (default false)")
	flags.BoolVar(&asJSON, "json", false, "publish a JSON value; the server checks it (default false)")
	flags.BoolVar(&binary, "binary", false, "publish bytes as they are (default false)")
	flags.StringVar(&p.contentType, "content-type", "", "media `TYPE` of the message: text/… is text, JSON is JSON, others are bytes (default text/plain)")
	flags.StringVar(&p.key, "idempotency-key", "", "`KEY` under which the server publishes only once within 5 minutes (default none)")
	return cmd
}

type publisher struct {
	client      *http.Client
	url         *url.URL
	contentType string
	text        bool // nobody has said what the message is
	key         string
	token       string // or key, "" for none
	out, errOut io.Writer
}

// lines publishes the lines of in one after the other, until its end or that of
// the command.
func (p *publisher) lines(cmd *cobra.Command, in io.Reader) error {
	// Standard input cannot be interrupted: when the command ends first, a read
	// that waits ends with the process.
	type line struct {
		text []byte
		err  error
	}
	read, over := make(chan line), make(chan struct{})
	defer close(over)
	give := func(l line) bool {
		select {
		case read <- l:
			return true
		case <-over:
			return false
		}
	}
	go func() {
		s := bufio.NewScanner(in)
		s.Buffer(nil, pubBytesMax)
		for s.Scan() {
			if !give(line{text: bytes.Clone(s.Bytes())}) {
				return
			}
		}
		err := s.Err()
		if err == nil {
			err = io.EOF
		}
		give(line{err: err})
	}()
	for {
		select {
		case <-cmd.Context().Done():
			return nil
		case l := <-read:
			switch {
			case l.err == io.EOF:
				return nil
			case l.err != nil:
				return fmt.Errorf("cannot read standard input: %w", l.err)
			}
			if err := p.publish(cmd, l.text); err != nil {
				return err
			}
		}
	}
}

// publish publishes one message and prints its position.
func (p *publisher) publish(cmd *cobra.Command, message []byte) error {
	if p.text && !utf8.Valid(message) {
		return errors.New("the message is not UTF-8 text; publish it with --binary, or with its --content-type")
	}
	r, err := http.NewRequestWithContext(cmd.Context(), http.MethodPost, p.url.String(), bytes.NewReader(message))
	if err != nil {
		return err
	}
	// NewRequest has parsed the URL again, and with it the escapes in the path.
	r.URL = p.url
	r.Header.Set("Content-Type", p.contentType)
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	if p.key != "" {
		r.Header.Set("Idempotency-Key", p.key)
	}
	response, err := p.client.Do(r)
	if cmd.Context().Err() != nil {
		return errors.New("interrupted; the message may have been published or not")
	}
	if err != nil {
		return unreachable(p.url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return refusal(response)
	}
	var answer struct {
		Position string `json:"position"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, refusalBytesMax))
	if err != nil || json.Unmarshal(body, &answer) != nil || answer.Position == "" {
		return fmt.Errorf("%s published it, but its answer says no position: is it a Godwit server?", origin(p.url))
	}
	if response.Header.Get("Idempotency-Replayed") == "true" {
		fmt.Fprintln(p.errOut, "godwit: this idempotency key was used before; nothing was published again")
	}
	_, err = fmt.Fprintln(p.out, forPeople(p.out, answer.Position))
	return err
}

func trimLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}
