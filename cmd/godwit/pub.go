package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

const (
	// pubTimeout bounds one publication, from the connection to the answer.
	pubTimeout = 30 * time.Second

	// pubBytesMax is what a message may have here; the limit of the server, which
	// says what it is, is usually far below.
	pubBytesMax = 64 << 20

	// pubAheadMax is how many lines are on their way to the server at a time.
	pubAheadMax = 256
)

func newPub() *cobra.Command {
	var p publisher
	var server, token, contentType string
	var lines, asJSON, binary bool
	cmd := &cobra.Command{
		Use:   "pub CHANNEL [MESSAGE]",
		Short: "Publish to a channel",
		Long: `Pub publishes MESSAGE, or else what it reads from standard input, and prints the
position that the publication got. What is read as text ends before its final
line end. Standard input must not be empty; an empty MESSAGE is '' on the command
line.

With --lines each line is a publication, in order, and each prints its position in
order. The next lines are on their way before the server has answered: if it refuses
one, pub ends with 1 and says how many of those behind it were published. If the
connection breaks it reconnects, for up to 30 seconds, and no line is published twice.`,
		Example: `  godwit pub chat 'hello'
  godwit pub match/42/score '{"home":1,"away":0}' --json
  date | godwit pub clock
  tail -f app.log | godwit pub logs/app --lines
  godwit pub images/cat --content-type image/jpeg < cat.jpg
  godwit pub orders "$order" --idempotency-key "$id"     # safe to repeat for 5 minutes`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case asJSON && binary, contentType != "" && (asJSON || binary):
				return usagef("--json, --binary and --content-type exclude each other")
			case lines && len(args) == 2:
				return usagef("--lines reads standard input, so leave MESSAGE out")
			case lines && p.key != "":
				return usagef("--lines and --idempotency-key exclude each other: every line would be the same publication")
			case asJSON:
				p.kind = hub.JSON
			case binary:
				p.kind = hub.Binary
			case contentType != "":
				var err error
				if p.kind, err = kindOfMedia(contentType); err != nil {
					return err
				}
			}
			to, err := clientFor(server, token)
			if err != nil {
				return err
			}
			p.channel, p.out, p.errOut = args[0], cmd.OutOrStdout(), cmd.ErrOrStderr()
			if lines {
				return p.run(cmd.Context(), to, func(ctx context.Context) error { return p.lines(ctx, cmd.InOrStdin()) })
			}
			message, err := p.message(cmd, args[1:])
			if err != nil {
				return err
			}
			return p.run(cmd.Context(), to, func(ctx context.Context) error {
				began, err := p.begin(message)
				if err != nil {
					return err
				}
				return p.finish(ctx, began)
			})
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	serverFlag(cmd, &server)
	tokenFlag(cmd, &token)
	flags.BoolVar(&lines, "lines", false, "publish each line of standard input by itself, as it comes (default false)")
	flags.BoolVar(&asJSON, "json", false, "publish a JSON value (default false)")
	flags.BoolVar(&binary, "binary", false, "publish bytes as they are (default false)")
	flags.StringVar(&contentType, "content-type", "", "media `TYPE` of the message: text/… is text, JSON is JSON, others are bytes (default text/plain)")
	flags.StringVar(&p.key, "idempotency-key", "", "`KEY` under which the server publishes only once within 5 minutes (default none)")
	return cmd
}

// kindOfMedia is what a message of a media type is published as.
func kindOfMedia(media string) (hub.Kind, error) {
	name, params, err := mime.ParseMediaType(media)
	if err != nil {
		return 0, usagef("--content-type: %q is no media type; write for example text/plain", media)
	}
	var kind hub.Kind
	switch {
	case strings.HasPrefix(name, "text/"):
		kind = hub.Text
	case name == "application/json", strings.HasSuffix(name, "+json"):
		kind = hub.JSON
	default:
		return hub.Binary, nil
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
		return kind, nil
	default:
		return 0, usagef("--content-type: text is UTF-8 here, and not %q; publish other bytes with --binary", charset)
	}
}

// publisher publishes to a channel.
type publisher struct {
	channel     string
	kind        hub.Kind
	key         string // "" for none
	out, errOut io.Writer

	client *client.Client
}

// message is what the command line or standard input has.
func (p *publisher) message(cmd *cobra.Command, args []string) ([]byte, error) {
	if len(args) == 1 {
		return []byte(args[0]), nil
	}
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(p.errOut, "Type the message, then Ctrl-D.")
	}
	message, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), pubBytesMax+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot read standard input: %w", err)
	case len(message) > pubBytesMax:
		return nil, fmt.Errorf("standard input is longer than %d MiB, the most that is read", pubBytesMax>>20)
	case len(message) == 0:
		// A command in front of the pipe that failed leaves nothing, too.
		return nil, errors.New("standard input is empty; write '' as MESSAGE to publish an empty message")
	case p.kind == hub.Text:
		message = trimLineEnd(message)
	}
	return message, nil
}

// run calls f with a client. A server that cannot be reached at first is an error at once, and later it
// is connected to again.
func (p *publisher) run(ctx context.Context, to target, f func(context.Context) error) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	var unreachable atomic.Pointer[error]
	wasOpen := false
	c, err := client.Start(to.url, &client.Options{Name: "godwit-pub", Header: to.header, NoMessages: true, OnStatus: func(s client.Status) {
		wasOpen = wasOpen || s.State == client.Open
		if s.State == client.Waiting && s.Err != nil && !wasOpen && time.Until(s.RetryAt) > 0 {
			unreachable.Store(&s.Err)
			giveUp()
		}
	}})
	if err != nil {
		return err
	}
	defer c.Close()
	p.client = c
	err = f(ctx)
	if why := unreachable.Load(); why != nil {
		return *why
	}
	return err
}

// begun is a publication that is on its way.
type begun struct {
	wait  func(context.Context) (client.Published, error)
	since time.Time
}

// begin begins to publish a message.
func (p *publisher) begin(message []byte) (begun, error) {
	switch {
	case p.kind == hub.Text && !utf8.Valid(message):
		return begun{}, errors.New("the message is not UTF-8 text; publish it with --binary, or with its --content-type")
	case p.kind == hub.JSON && !(json.Valid(message) && utf8.Valid(message)):
		return begun{}, errors.New("the message is not one JSON value in UTF-8; publish text without --json")
	}
	wait, err := p.client.BeginPublish(p.channel, client.Data{Kind: p.kind, Bytes: message}, &client.PublishOptions{IdempotencyKey: p.key})
	return begun{wait, time.Now()}, err
}

// finish waits for the outcome of a publication and prints its position.
func (p *publisher) finish(ctx context.Context, b begun) error {
	published, err := b.outcome(ctx)
	if err != nil {
		return err
	}
	if published.Duplicate {
		fmt.Fprintln(p.errOut, "godwit: this idempotency key was used before; nothing was published again")
	}
	_, err = fmt.Fprintln(p.out, forPeople(p.out, published.Position.String()))
	return err
}

// outcome is what became of a publication.
func (b *begun) outcome(ctx context.Context) (client.Published, error) {
	limited, cancel := context.WithDeadline(ctx, b.since.Add(pubTimeout))
	defer cancel()
	published, err := b.wait(limited)
	if problem, ok := errors.AsType[*client.Problem](err); ok {
		return published, explainProblem(problem)
	}
	switch {
	case err == nil:
		return published, nil
	case ctx.Err() != nil:
		err = errors.New("interrupted; the message may have been published or not")
	case limited.Err() != nil:
		err = fmt.Errorf("no answer within %v; the message may have been published or not", pubTimeout)
	}
	return published, err
}

// explainProblem is a problem with its status, as other commands show it.
func explainProblem(problem *client.Problem) error {
	for _, known := range clientproto.Problems() {
		if problem.IsA(known) {
			return fmt.Errorf("%w (%d)", problem, known.Status)
		}
	}
	return problem
}

// lines publishes the lines of in, until its end or that of ctx.
func (p *publisher) lines(ctx context.Context, in io.Reader) error {
	// Standard input cannot be interrupted: when the command ends first, a read
	// that waits ends with the process.
	type line struct {
		begun begun
		err   error // why there is none, io.EOF at the end
	}
	ahead, over := make(chan line, pubAheadMax), make(chan struct{})
	stop := sync.OnceFunc(func() { close(over) })
	defer stop()
	give := func(l line) bool {
		select {
		case ahead <- l:
			return l.err == nil
		case <-over:
			return false
		}
	}
	go func() {
		s := bufio.NewScanner(in)
		s.Buffer(nil, pubBytesMax)
		for s.Scan() && !isClosed(over) {
			b, err := p.begin(bytes.Clone(s.Bytes()))
			if !give(line{b, err}) {
				return
			}
		}
		err := s.Err()
		if err == nil {
			err = io.EOF
		} else {
			err = fmt.Errorf("cannot read standard input: %w", err)
		}
		give(line{err: err})
	}()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			if behind := len(ahead); behind > 0 {
				return fmt.Errorf("interrupted; %d lines may have been published or not", behind)
			}
			return nil
		case l := <-ahead:
			if l.err == io.EOF {
				return nil
			}
			err := l.err
			if err == nil {
				err = p.finish(ctx, l.begun)
			}
			if err == nil {
				continue
			}
			stop()
			behind, published := 0, 0
			for len(ahead) > 0 {
				if l := <-ahead; l.err == nil {
					behind++
					if _, err := l.begun.outcome(ctx); err == nil {
						published++
					}
				}
			}
			if behind > 0 {
				return fmt.Errorf("line %d: %w; of %d lines behind it that were on their way, %d were published", n, err, behind, published)
			}
			return err
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func trimLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}
