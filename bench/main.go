package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	sizes := flag.String("sizes", "64,1024,16384", "payload bytes to echo")
	subscribers := flag.String("subscribers", "10,100,1000", "subscribers of the fan-outs")
	flag.IntVar(&s.conns, "conns", 100, "connections that echo, and handshakes at once")
	flag.IntVar(&s.idle, "idle", 10_000, "idle connections")
	flag.IntVar(&s.seconds, "seconds", 5, "seconds of each measurement, after one to warm up")
	rounds := flag.Int("rounds", 5, "how often every server is measured")
	only := flag.String("only", "", "kinds to measure: echo, fanout, handshakes, connections (default all)")
	servers := flag.String("servers", "", "servers to compare (default all)")
	base := flag.String("base", "gws", "server that the others are compared with")
	child := flag.String("serve", "", "used by the program itself: be this server")
	flag.Parse()
	if *child != "" {
		return serveChild(*child)
	}
	var err error
	if s.sizes, err = numbers(*sizes); err != nil {
		return fmt.Errorf("-sizes: %w", err)
	}
	if s.subscribers, err = numbers(*subscribers); err != nil {
		return fmt.Errorf("-subscribers: %w", err)
	}
	if *rounds < 1 || s.seconds < 1 || flag.NArg() > 0 {
		return errors.New("-rounds and -seconds are 1 or more, and there are no arguments; -help lists the flags")
	}
	experiments := s.experiments()
	if *only != "" {
		kinds := strings.Split(*only, ",")
		experiments = slices.DeleteFunc(experiments, func(e experiment) bool { return !slices.Contains(kinds, e.kind) })
	}
	if len(experiments) == 0 {
		return fmt.Errorf("-only %s: the kinds are echo, fanout, handshakes and connections", *only)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	scratch, err := os.MkdirTemp("", "godwit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	lab, err := newLab(ctx, scratch, s.seconds)
	if err != nil {
		return err
	}
	list, dropped := known(contenders, lab.godwit)
	for _, name := range dropped {
		fmt.Fprintf(os.Stderr, "%s is left out: this revision does not have it\n", name)
	}
	if *servers != "" {
		wanted := strings.Split(*servers, ",")
		for _, name := range wanted {
			if !slices.ContainsFunc(contenders, func(c contender) bool { return c.name == name }) {
				return fmt.Errorf("-servers: there is no %q", name)
			}
		}
		list = slices.DeleteFunc(list, func(c contender) bool { return !slices.Contains(wanted, c.name) && c.name != *base })
	}
	if err := lab.describe(os.Stdout, *rounds); err != nil {
		return err
	}
	for _, e := range experiments {
		r, err := lab.compare(ctx, e, list, *rounds)
		if err != nil {
			return err
		}
		if err := r.write(os.Stdout, *base); err != nil {
			return err
		}
	}
	return nil
}

// compare measures all contenders in turn. One that fails is named on standard
// error, and its round is missing.
func (l *lab) compare(ctx context.Context, e experiment, list []contender, rounds int) (*results, error) {
	r := &results{experiment: e, reports: map[string][]*loadgen.Report{}}
	for _, c := range list {
		if c.takesPart(e.kind) {
			r.names = append(r.names, c.name)
		}
	}
	failed := map[string]bool{}
	for round := range rounds {
		for _, c := range list {
			if !c.takesPart(e.kind) || failed[c.name] {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s · round %d of %d · %s\n", e.title, round+1, rounds, c.name)
			report, err := l.measure(ctx, c, e.kind, e.load)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				// Rounds are compared with one another, so one without this server would
				// shift the others.
				fmt.Fprintf(os.Stderr, "left out: %v\n", err)
				failed[c.name] = true
				continue
			}
			r.reports[c.name] = append(r.reports[c.name], report)
		}
	}
	r.names = slices.DeleteFunc(r.names, func(name string) bool { return failed[name] })
	if len(r.names) == 0 {
		return nil, fmt.Errorf("%s: %w", e.title, errNothing)
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
