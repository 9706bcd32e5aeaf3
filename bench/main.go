package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/godwit-io/godwit/loadgen"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var s settings
	sizes := flag.String("sizes", "64,1024,16384", "payload `BYTES` to echo")
	deflated := flag.String("deflate", "512,4096", "payload `BYTES` to echo compressed")
	subscribers := flag.String("subscribers", "10,100,1000", "subscribers of the fan-outs, `N` each")
	flag.IntVar(&s.conns, "conns", 100, "connections that echo, and handshakes at once; ten times as many echo 125 bytes")
	flag.IntVar(&s.idle, "idle", 10_000, "idle connections")
	flag.Float64Var(&s.seconds, "seconds", 1, "seconds of each measurement, after half a second to warm up")
	rounds := flag.Int("rounds", 5, "how often every server is measured")
	only := flag.String("only", "", "`KINDS` to measure, of "+strings.Join(groups, ",")+" (default all)")
	servers := flag.String("servers", "", "`NAMES` of servers to compare, of "+strings.Join(names(), ",")+" (default all)")
	base := flag.String("base", "gws", "`NAME` of the server that the others are compared with")
	cpus := flag.String("cpus", "0,1", "processors of the server and of the generator, which should be different cores")
	child := flag.String("serve", "", "used by the program itself: be this server")
	as := flag.String("as", kindEcho, "used by the program itself: what the server does")
	spinning := flag.Bool("spin", false, "used by the program itself: use up a processor")
	flag.Parse()
	if *child != "" {
		return serveChild(*child, *as)
	}
	if *spinning {
		spin()
	}
	var err error
	if s.sizes, err = numbers(*sizes); err != nil {
		return fmt.Errorf("-sizes: %w", err)
	}
	if s.deflated, err = numbers(*deflated); err != nil {
		return fmt.Errorf("-deflate: %w", err)
	}
	if s.subscribers, err = numbers(*subscribers); err != nil {
		return fmt.Errorf("-subscribers: %w", err)
	}
	if *rounds < 1 || s.seconds < 0.2 || flag.NArg() > 0 {
		return errors.New("-rounds is 1 or more, -seconds is 0.2 or more, and there are no arguments; -help lists the flags")
	}
	experiments := s.experiments()
	if *only != "" {
		wanted := strings.Split(*only, ",")
		for _, name := range wanted {
			if !slices.Contains(groups, name) {
				return fmt.Errorf("-only: there is no %q; there are %s", name, strings.Join(groups, ", "))
			}
		}
		experiments = slices.DeleteFunc(experiments, func(e experiment) bool { return !slices.Contains(wanted, e.group) })
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scratch, err := os.MkdirTemp("", "godwit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	list, err := choose(*servers, *base)
	if err != nil {
		return err
	}
	lab, err := newLab(ctx, scratch, *cpus)
	if err != nil {
		return err
	}
	if err := lab.describe(os.Stdout, *rounds, s.seconds); err != nil {
		return err
	}
	var failed []string
	for _, e := range experiments {
		r, err := lab.compare(ctx, e, list, *rounds)
		if err != nil {
			return err
		}
		if err := r.write(os.Stdout, *base); err != nil {
			return err
		}
		for _, name := range r.failed {
			failed = append(failed, name+" ("+e.title+")")
		}
	}
	if lab.others >= 0 {
		fmt.Printf("Other programs used %.0f %% of the machine at most.\n", 100*lab.others)
	}
	if len(failed) > 0 {
		return fmt.Errorf("not in the tables, as they failed: %s", strings.Join(failed, ", "))
	}
	return nil
}

// names are those of all contenders.
func names() (list []string) {
	for _, c := range contenders {
		list = append(list, c.name)
	}
	return list
}

// choose takes the contenders of a list, and the base in any case.
func choose(servers, base string) ([]contender, error) {
	wanted := names()
	if servers != "" {
		wanted = strings.Split(servers, ",")
	}
	for _, name := range append([]string{base}, wanted...) {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("there is no server %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(contenders), func(c contender) bool { return !slices.Contains(wanted, c.name) && c.name != base }), nil
}

// spin uses a processor up and touches no memory, so that whoever shares it has
// less of its time and all of its caches. It ends with the one who started it.
func spin() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
	}
}

// compare measures all contenders in turn. One that fails is named on standard
// error and left out, as rounds are compared with one another and one without it
// would shift the others.
func (l *lab) compare(ctx context.Context, e experiment, list []contender, rounds int) (*results, error) {
	r := &results{experiment: e, reports: map[string][]*loadgen.Report{}}
	if e.once {
		rounds = 1
	}
	for round := range rounds {
		for _, c := range list {
			if !c.takesPart(e.server) || slices.Contains(r.failed, c.name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s · round %d of %d · %s\n", e.title, round+1, rounds, c.name)
			report, err := l.measure(ctx, c, e)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "left out: %v\n", err)
				r.failed = append(r.failed, c.name)
				continue
			}
			r.reports[c.name] = append(r.reports[c.name], report)
		}
	}
	for _, c := range list {
		if c.takesPart(e.server) && !slices.Contains(r.failed, c.name) {
			r.names = append(r.names, c.name)
		}
	}
	return r, nil
}

func numbers(list string) ([]int, error) {
	var values []int
	for part := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number above zero", part)
		}
		values = append(values, n)
	}
	return values, nil
}
