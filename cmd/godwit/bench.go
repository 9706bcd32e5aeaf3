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

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/loadgen/report"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure any server of WebSockets or event streams under load",
		Long: `Bench makes load for a server of WebSockets, Server-Sent Events or POSTs and says
what the server does with it: throughput, latencies to the last percentile, errors
by kind, and what the server's process uses: on this machine the one that listens
there, or that of --pid or --metrics. It ends with a verdict in a sentence or two,
which also says when the generator and not the server was the limit.

Without --rate a fixed number of messages is in flight (closed loop): how much
can the server do? With --rate messages are due at fixed times and latency
counts from then, however late they could be sent (open loop): how does it feel
to users at this rate? With --find one run follows another, to find how many
connections or what rate it can take before p99 is over a goal.

Ctrl-C ends a run early, with what was measured until then. The exit status is 0
when something was measured and 1 when nothing was, answers were wrong, or
nothing that --find tried met its goal.`,
		Example: `  godwit bench echo ws://127.0.0.1:9001/
  godwit bench fanout ws://127.0.0.1:8000/channels/bench --connections 1000 --rate 50
  godwit bench fanout ws://127.0.0.1:8000/channels/bench --rate 50 --find connections --p99 20ms
  godwit bench sse http://127.0.0.1:8000/channels/bench --connections 1000 --rate 50
  godwit bench publish http://127.0.0.1:8000/channels/bench
  godwit bench connections ws://127.0.0.1:9001/ --connections 10000 --pid 4242
  godwit bench handshakes ws://127.0.0.1:9001/
  godwit bench storm ws://127.0.0.1:9001/ --connections 5000 --html storm.html`,
		DisableFlagParsing: true,
		RunE:               benchWorkloads,

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newBenchEcho(), newBenchFanout(), newBenchSSE(), newBenchPublish(), newBenchConnections(), newBenchHandshakes(), newBenchStorm())
	return cmd
}

func newBenchEcho() *cobra.Command {
	b := &bench{kind: loadgen.KindEcho, play: loadgen.Echo}
	cmd := b.command("echo", "Measure a server that sends back what it gets", `Echo sends messages on every connection to a server that sends each one back, and
checks that it does. Any echo server will do, such as "godwit echo".`, `  godwit bench echo ws://127.0.0.1:9001/
  godwit bench echo ws://127.0.0.1:9001/ --connections 1000 --rate 20000 --duration 1m
  godwit bench echo ws://127.0.0.1:9001/ --size 16384 --binary --window 8
  godwit bench echo ws://127.0.0.1:9001/ --connections 1000 --find rate --p99 5ms
  godwit bench echo wss://echo.example/ --html report.html --pid "$(pidof server)"`)
	b.connectionFlags(cmd, loadgen.DefaultConnections, "`N` connections")
	b.messageFlags(cmd, "messages in flight on each connection, without --rate", "messages a second, on all connections together")
	b.findFlags(cmd, "rate, or connections at a --rate")
	b.timeFlags(cmd)
	b.commonFlags(cmd)
	return cmd
}

func newBenchFanout() *cobra.Command {
	b := &bench{kind: loadgen.KindFanout, play: loadgen.Fanout}
	cmd := b.command("fanout", "Measure how one publisher reaches many subscribers", `Fanout opens subscribers and one publisher, and measures how long each publication
takes to each subscriber. On its own it speaks to a channel of Godwit's, where a
connection to the URL is a subscription and what is sent is published, and to any
server that sends what it gets to everybody.

Other protocols are spoken with --subscribe, what each subscriber says first, and
--publish, what the publisher sends, with {payload} where the payload goes. Then
subscribers look for the payload anywhere in what they get.

With --slow there are more subscribers that read 1 kB a second: the figures of the
others say what they cost, and a line of their own what they got.`, `  godwit bench fanout ws://127.0.0.1:8000/channels/bench
  godwit bench fanout ws://127.0.0.1:8000/channels/bench --connections 5000 --rate 50
  godwit bench fanout ws://127.0.0.1:8000/channels/bench --rate 50 --find connections --p99 20ms
  godwit bench fanout ws://127.0.0.1:8000/channels/bench --connections 1000 --rate 50 --slow 100
  godwit bench fanout ws://127.0.0.1:8080/chat --subscribe 'JOIN bench' --publish 'SAY {payload}'`)
	b.connectionFlags(cmd, loadgen.DefaultConnections, "`N` subscribers")
	b.messageFlags(cmd, "publications on their way, without --rate", "publications a second")
	f := cmd.Flags()
	f.StringArrayVar(&b.options.Fanout.Subscribe, "subscribe", nil, "`TEXT` that each subscriber sends first; repeatable (default none)")
	f.StringVar(&b.options.Fanout.Publish, "publish", "", "`TEXT` to publish, with {payload} in it (default the payload alone)")
	f.StringArrayVar(&b.options.Fanout.PublisherFirst, "publisher-first", nil, "`TEXT` that the publisher sends first; repeatable (default none)")
	f.IntVar(&b.options.Fanout.Slow, "slow", 0, "`N` more subscribers that read slowly and are not measured (default none)")
	f.IntVar(&b.options.Fanout.SlowBytes, "slow-bytes", loadgen.DefaultSlowBytes, "`BYTES` that each of them reads a second")
	f.StringVar(&b.options.Fanout.PublisherURL, "publisher-url", "", "`URL` of the publisher's connection (default the same; on a channel with self=0)")
	b.findFlags(cmd, "connections at a --rate, or rate")
	b.timeFlags(cmd)
	b.commonFlags(cmd)
	return cmd
}

func newBenchConnections() *cobra.Command {
	b := &bench{kind: loadgen.KindConnections, play: loadgen.Connections}
	cmd := b.command("connections", "Measure what idle connections cost a server", `Connections opens idle connections and holds them. For a server on this
machine, or with --metrics, it says how much memory the server needs for each.
At the end each is pinged, to see that it lives.`, `  godwit bench connections ws://127.0.0.1:9001/ --connections 10000 --pid 4242
  godwit bench connections ws://127.0.0.1:8000/channels/idle --metrics http://127.0.0.1:8000/metrics
  godwit bench connections wss://example.com/ --connections 50000 --ramp 2000 --hold 5m`)
	b.connectionFlags(cmd, 1000, "`N` connections")
	f := cmd.Flags()
	f.DurationVar(&b.options.Duration, "hold", loadgen.DefaultDuration, "how long to hold them")
	b.drainFlag(cmd, "how long a pong may take at the end")
	b.commonFlags(cmd)
	return cmd
}

func newBenchHandshakes() *cobra.Command {
	b := &bench{kind: loadgen.KindHandshakes, play: loadgen.Handshakes}
	cmd := b.command("handshakes", "Measure how fast a server opens connections", `Handshakes opens connections and ends each as soon as it is open. Connecting,
TLS and the opening handshake are measured together. Connections are reset, so
that ended ones do not use up the ports of this machine.`, `  godwit bench handshakes ws://127.0.0.1:9001/
  godwit bench handshakes wss://example.com/ --rate 500 --duration 1m
  godwit bench handshakes wss://example.com/ --find rate --p99 100ms`)
	f := cmd.Flags()
	f.IntVarP(&b.options.Connections, "connections", "c", loadgen.DefaultConnections, "`N` handshakes at once, at most")
	f.Float64Var(&b.options.Rate, "rate", 0, "`N` handshakes a second, each at its time (default 0: as many as can be done)")
	b.findFlags(cmd, "rate")
	b.timeFlags(cmd)
	b.commonFlags(cmd)
	return cmd
}

func newBenchStorm() *cobra.Command {
	b := &bench{kind: loadgen.KindStorm, play: loadgen.Storm}
	cmd := b.command("storm", "Measure how a server takes everybody coming back at once", `Storm opens connections, drops all of them at once, and measures how long it takes
until everybody is back, as after a deployment or the loss of a network. A
client that is refused tries again after 100 ms, and then after twice as long,
up to 5 seconds.

With --server the server itself is dropped: it is started, killed as with kill -9
while everybody is connected, and started again. The URL is a channel of Godwit's;
http:// has event streams, ws:// WebSockets, and with --subprotocol godwit.v1
sessions at /connect. Clients come back when the server has told them to, resume
behind their positions, and count what they miss of numbers that are published all
the time. WebSockets without sessions are told by Retry-After only, and otherwise
wait for up to 1 second, then 2, 4, up to 30, by chance.`, `  godwit bench storm ws://127.0.0.1:9001/ --connections 5000
  godwit bench storm ws://127.0.0.1:9001/ --connections 5000 --spread 10s --rounds 1
  godwit bench storm http://127.0.0.1:8000/channels/bench -c 19000 --server 'godwit serve --config big.yaml'
  godwit bench storm ws://127.0.0.1:8000/channels/bench --subprotocol godwit.v1 --server 'godwit serve'`)
	b.connectionFlags(cmd, 1000, "`N` clients")
	f := cmd.Flags()
	f.IntVar(&b.options.Storm.Rounds, "rounds", loadgen.DefaultRounds, "how often everybody is dropped, `N`; 1 with --server unless given")
	f.DurationVar(&b.options.Storm.Spread, "spread", 0, "time over which clients come back (default 0: all at once)")
	f.DurationVar(&b.options.Storm.Calm, "calm", 0, "how long everybody is connected before a round (default 1s, and 20s with --server)")
	f.DurationVar(&b.options.Duration, "give-up", time.Minute, "how long a client tries")
	f.StringVar(&b.options.Storm.Server, "server", "", "`COMMAND` that starts the server, which is killed in each round (default none: connections are dropped)")
	f.Float64VarP(&b.options.Rate, "rate", "r", 1, "`N` numbers published a second, with --server")
	b.commonFlags(cmd)
	return cmd
}

// bench is what the kinds of load have in common.
type bench struct {
	kind           loadgen.Kind
	play           func(context.Context, string, loadgen.Options) (*loadgen.Report, error)
	options        loadgen.Options
	headers, local []string
	publishHeaders []string
	find           string // what to look for the limit of; empty: nothing
	goal           loadgen.Goal
	insecure       bool
	html, json     string
}

func (b *bench) command(name, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: name + " URL", Short: short, Long: long, Example: example, Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd, args) },
	}
	cmd.Flags().SortFlags = false
	return cmd
}

func (b *bench) connectionFlags(cmd *cobra.Command, n int, what string) {
	f := cmd.Flags()
	f.IntVarP(&b.options.Connections, "connections", "c", n, what)
	f.Float64Var(&b.options.Ramp, "ramp", 0, "`N` connections to open a second at first (default 0: as the server takes them, 64 at once)")
}

// loadFlags say how much is sent. Without a window there is one message in flight.
func (b *bench) loadFlags(cmd *cobra.Command, window, rate string) {
	f := cmd.Flags()
	if window != "" {
		f.IntVarP(&b.options.Window, "window", "w", loadgen.DefaultWindow, "`N` "+window)
	}
	f.Float64VarP(&b.options.Rate, "rate", "r", 0, "`N` "+rate+", each at its time (default 0: closed loop)")
	f.IntVarP(&b.options.Size, "size", "s", loadgen.DefaultSize, "`BYTES` of a payload")
}

func (b *bench) messageFlags(cmd *cobra.Command, window, rate string) {
	b.loadFlags(cmd, window, rate)
	f := cmd.Flags()
	f.BoolVar(&b.options.Binary, "binary", false, "send binary messages (default false: text)")
	f.BoolVar(&b.options.Compress, "compress", false, "offer permessage-deflate (default false)")
}

func (b *bench) timeFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVarP(&b.options.Duration, "duration", "d", loadgen.DefaultDuration, "how long to measure; 5s for each step of --find")
	f.DurationVar(&b.options.Warmup, "warmup", loadgen.DefaultWarmup, "how long there is load before that, which is not measured; 1s with --find")
	b.drainFlag(cmd, "how long to wait for the last answers")
}

func (b *bench) findFlags(cmd *cobra.Command, what string) {
	f := cmd.Flags()
	f.StringVar(&b.find, "find", "", "`WHAT` to find the limit of: "+what+" (default none: one run)")
	f.DurationVar(&b.goal.P99, "p99", loadgen.DefaultP99, "the longest p99 that is good enough, with --find")
}

func (b *bench) drainFlag(cmd *cobra.Command, what string) {
	cmd.Flags().DurationVar(&b.options.Drain, "drain", loadgen.DefaultDrain, what)
}

func (b *bench) commonFlags(cmd *cobra.Command) {
	b.observerFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&b.headers, "header", "H", nil, "`'NAME: VALUE'` to send with each handshake; repeatable (default none)")
	f.StringSliceVar(&b.options.Subprotocols, "subprotocol", nil, "`NAME` of a subprotocol to offer; repeatable, the preferred one first (default none)")
	b.connectFlags(cmd, "how long opening a connection may take")
	b.reportFlags(cmd)
}

// requestFlags say what requests over HTTP have in common.
func (b *bench) requestFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&b.headers, "header", "H", nil, "`'NAME: VALUE'` to send with each request; repeatable (default none)")
	b.connectFlags(cmd, "how long opening a connection, or an answer, may take")
}

func (b *bench) observerFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntSliceVar(&b.options.PIDs, "pid", nil, "`PID` of the server on this machine, to show its CPU and memory (Linux); repeatable (default who listens at the URL, if it is of this machine)")
	f.StringVar(&b.options.Metrics, "metrics", "", "`URL` of the server's Prometheus metrics, for the same (default none)")
}

func (b *bench) connectFlags(cmd *cobra.Command, timeout string) {
	f := cmd.Flags()
	f.BoolVar(&b.insecure, "insecure", false, "do not verify the server's certificate (default false)")
	f.DurationVar(&b.options.HandshakeTimeout, "timeout", loadgen.DefaultHandshakeTimeout, timeout)
	f.StringSliceVar(&b.local, "from", nil, "local `ADDRESS` to connect from; repeatable, used in turn (default what the system chooses)")
}

func (b *bench) reportFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&b.html, "html", "", "write a report for people to `FILE` (default none)")
	f.StringVar(&b.json, "json", "", "write a report for programs to `FILE`; - is standard output, with nothing else there (default none)")
}

// standardOutput instead of a file's name means what it does elsewhere.
const standardOutput = "-"

var errInterrupted = errors.New("interrupted before anything was measured")

// run makes the load and reports it.
func (b *bench) run(cmd *cobra.Command, args []string) error {
	var err error
	target := args[0]
	if b.options.Header, err = parseHeaders(b.headers); err != nil {
		return err
	}
	if b.options.Publishing.Header, err = parseHeaders(b.publishHeaders); err != nil {
		return usagef("%s", strings.Replace(err.Error(), "--header", "--publish-header", 1))
	}
	for _, address := range b.local {
		ip := net.ParseIP(address)
		if ip == nil {
			return usagef("--from: %q is not an address of this machine; write for example 192.0.2.7", address)
		}
		b.options.LocalAddresses = append(b.options.LocalAddresses, ip)
	}
	if b.insecure {
		b.options.TLS = &tls.Config{InsecureSkipVerify: true}
	}
	if err := b.check(cmd); err != nil {
		return err
	}
	reports := []struct {
		flag, file string
		write      func(io.Writer, *loadgen.Report) error
	}{{"--html", b.html, report.HTML}, {"--json", b.json, report.JSON}}
	for _, r := range reports { // what cannot be written later is better known now
		if r.file == "" || r.file == standardOutput {
			continue
		}
		f, err := os.OpenFile(r.file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return usagef("%s: %s", r.flag, cause(err))
		}
		_ = f.Close()
	}
	progress := newBenchProgress(cmd.ErrOrStderr())
	b.options.Progress = progress.show
	var result *loadgen.Report
	if b.find == "" {
		result, err = b.play(cmd.Context(), target, b.options)
	} else {
		result, err = loadgen.Find(cmd.Context(), b.kind, target, b.options, b.goal)
	}
	progress.clear()
	switch {
	case err != nil && cmd.Context().Err() != nil:
		return errInterrupted
	case errors.Is(err, loadgen.ErrOptions):
		return usagef("%s", strings.TrimPrefix(err.Error(), loadgen.ErrOptions.Error()+": "))
	case err != nil:
		return errors.New(strings.TrimPrefix(err.Error(), "loadgen: "))
	}
	if result.Interrupted && result.Seconds == 0 {
		return errInterrupted
	}
	result.Producer, result.URL = producerOf(cmd, args), redact.Text(result.URL)
	write := report.Text
	if b.json == standardOutput {
		write = report.JSON
	}
	if err := write(cmd.OutOrStdout(), result); err != nil {
		return err
	}
	for _, r := range reports {
		if r.file == "" || r.file == standardOutput {
			continue
		}
		if err := writeBench(r.file, result, r.write); err != nil {
			return fmt.Errorf("cannot write %s: %w", r.file, cause(err))
		}
	}
	return judgeBench(result)
}

// check refuses values that would mean their default.
func (b *bench) check(cmd *cobra.Command) error {
	for _, name := range []string{"connections", "window", "size", "rounds", "duration", "hold", "give-up", "calm", "timeout", "drain", "rate", "ramp", "p99", "publishers"} {
		f := cmd.Flags().Lookup(name)
		if f != nil && f.Changed && (f.Value.String() == "0" || f.Value.String() == "0s" || strings.HasPrefix(f.Value.String(), "-")) {
			return usagef("--%s: %s is not above zero", name, f.Value)
		}
	}
	if f := cmd.Flags().Lookup("warmup"); f != nil {
		switch {
		case b.options.Warmup < 0:
			return usagef("--warmup: %s is negative", f.Value)
		case b.options.Warmup == 0:
			b.options.Warmup = loadgen.NoWarmup
		}
	}
	if b.kind == loadgen.KindStorm {
		if b.options.Storm.Server == "" {
			if cmd.Flags().Changed("rate") {
				return usagef("--rate is for --server, which is missing")
			}
			b.options.Rate = 0
		}
		if b.options.Storm.Server != "" && !cmd.Flags().Changed("rounds") {
			b.options.Storm.Rounds = 1
		}
	}
	if b.html == standardOutput {
		return usagef("--html: a page is written to a file; - is for --json")
	}
	if b.find == "" {
		if cmd.Flags().Changed("p99") {
			return usagef("--p99 is the goal of --find, which is missing")
		}
	} else if err := b.checkFind(cmd); err != nil {
		return err
	}
	if cmd.Flags().Changed("window") && cmd.Flags().Changed("rate") {
		return usagef("--window and --rate exclude each other: with a rate, messages do not wait for answers")
	}
	return nil
}

// checkFind takes the flags of a search.
func (b *bench) checkFind(cmd *cobra.Command) error {
	b.goal.Find = loadgen.Quantity(b.find)
	switch {
	case b.goal.Find != loadgen.FindRate && b.goal.Find != loadgen.FindConnections, b.kind == loadgen.KindHandshakes && b.goal.Find != loadgen.FindRate:
		return usagef("--find: %q cannot be looked for; --help says what can", b.find)
	case b.goal.Find == loadgen.FindConnections && b.options.Rate == 0:
		return usagef("--find connections needs a --rate, at which they are counted")
	case cmd.Flags().Changed("window"):
		return usagef("--window and --find exclude each other: a search has a rate, and messages do not wait for answers")
	}
	if !cmd.Flags().Changed("duration") {
		b.options.Duration = loadgen.DefaultFindDuration
	}
	if !cmd.Flags().Changed("warmup") {
		b.options.Warmup = loadgen.DefaultFindWarmup
	}
	return nil
}

// judgeBench makes an error of a measurement that is none.
func judgeBench(r *loadgen.Report) error {
	var wrong int64
	for _, e := range r.Errors {
		switch e.Kind {
		case loadgen.ErrorWrongAnswer, loadgen.ErrorUnexpected, loadgen.ErrorDamaged, loadgen.ErrorWrongType, loadgen.ErrorLost, loadgen.ErrorRepeated:
			wrong += e.Count
		}
	}
	switch {
	case wrong > 0:
		return fmt.Errorf("%d messages were not what they should have been", wrong)
	case r.Search != nil && r.Search.Found == 0:
		return errors.New("the goal was not met")
	case r.Latency == nil && r.Kind != loadgen.KindConnections:
		return errors.New("nothing was measured")
	}
	return nil
}

func writeBench(file string, r *loadgen.Report, write func(io.Writer, *loadgen.Report) error) error {
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
