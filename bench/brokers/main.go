package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/loadgen"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("brokers: ")
	l := lab{ctx: context.Background()}
	flag.StringVar(&l.centrifugo, "centrifugo", "centrifugo", "path of Centrifugo's program")
	flag.StringVar(&l.redisServer, "redis-server", "redis-server", "path of Redis")
	rounds := flag.Int("rounds", 5, "how often each server is measured")
	seconds := flag.Float64("seconds", 5, "how long")
	cpus := flag.String("cpus", "0,1", "the processors of the servers and of the generator")
	only := flag.String("only", "", "the one experiment to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	l.ctx = ctx
	if err := l.compare(*rounds, *seconds, *cpus, *only); err != nil {
		log.Fatal(err)
	}
}

// figures are what one run gave, by name.
type figures map[string]float64

// experiment is a load on some nodes.
type experiment struct {
	name  string
	nodes int
	run   func(l *lab, c *contender, nodes []*node, seconds float64) (figures, error)
}

var experiments = []experiment{
	{"publish, 1 connection", 1, publish(1)},
	{"publish, 64 connections", 1, publish(64)},
	{"publish, 256 connections", 1, publish(256)},
	{"100 subscribers on another node, 200 publications a second", 2, deliver(100, 200)},
	{"100 subscribers on another node, 1000 publications a second", 2, deliver(100, 1000)},
}

// publish is a load of publications over HTTP, to a channel that keeps history.
func publish(connections int) func(*lab, *contender, []*node, float64) (figures, error) {
	return func(l *lab, c *contender, nodes []*node, seconds float64) (figures, error) {
		url, header, body := c.publishing(nodes[0])
		before := l.redis.cpu()
		o := loadgen.Options{
			Connections: connections, Duration: duration(seconds), Size: 128, PIDs: []int{nodes[0].pid()}, Header: header,
			Publishing: loadgen.PublishOptions{Body: body},
		}
		r, err := loadgen.Publish(l.ctx, url, o)
		if err != nil {
			return nil, err
		}
		if len(r.Errors) > 0 {
			return nil, fmt.Errorf("%s", r.Verdict)
		}
		// Redis was measured from before the warm-up to now, so its share is of all that was published.
		all, err := l.redis.publications()
		if err != nil {
			return nil, err
		}
		return figures{
			"publications/s":            r.Messages.PerSecond,
			"CPU µs of the server":      r.Server.CPUPerItem,
			"CPU µs of Redis":           (l.redis.cpu() - before) * 1e6 / all,
			"p99 ms":                    float64(r.Latency.P99),
			"share of the server's CPU": r.Server.Cores,
		}, nil
	}
}

// deliver is a load of publications over HTTP to one node, for event streams of another.
func deliver(subscribers int, rate float64) func(*lab, *contender, []*node, float64) (figures, error) {
	return func(l *lab, c *contender, nodes []*node, seconds float64) (figures, error) {
		url, header, body := c.publishing(nodes[0])
		o := loadgen.Options{
			Connections: subscribers, Duration: duration(seconds), Rate: rate, Size: 128, PIDs: []int{nodes[0].pid(), nodes[1].pid()},
			Publishing: loadgen.PublishOptions{URL: url, Body: body, Header: header, Publishers: 16},
		}
		r, err := loadgen.SSE(l.ctx, c.stream(nodes[1]), o)
		if err != nil {
			return nil, err
		}
		if len(r.Errors) > 0 {
			return nil, fmt.Errorf("%s", r.Verdict)
		}
		return figures{
			"deliveries/s":               r.Messages.PerSecond,
			"CPU µs of both nodes":       r.Server.CPUPerItem,
			"p50 ms":                     float64(r.Latency.P50),
			"p99 ms":                     float64(r.Latency.P99),
			"share of both servers' CPU": r.Server.Cores,
		}, nil
	}
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func (l *lab) compare(rounds int, seconds float64, cpus, only string) error {
	stop, err := l.prepare(cpus)
	if err != nil {
		return err
	}
	defer stop()
	for _, e := range experiments {
		if only != "" && e.name != only {
			continue
		}
		results := make(map[string][]figures)
		for range rounds {
			for _, c := range contenders {
				f, err := l.once(e, c, seconds)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", e.name, c.name, err)
				}
				results[c.name] = append(results[c.name], f)
			}
		}
		l.print(e, results)
	}
	return nil
}

// once runs an experiment on servers that are started for it.
func (l *lab) once(e experiment, c *contender, seconds float64) (figures, error) {
	if err := l.redis.empty(); err != nil {
		return nil, err
	}
	var nodes []*node
	defer func() {
		for _, n := range nodes {
			n.stop()
		}
	}()
	for range e.nodes {
		n, err := l.start(c)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if err := c.await(n); err != nil {
			return nil, err
		}
	}
	return e.run(l, c, nodes, seconds)
}

// print prints medians, and for each figure the ratio of the first contender to the
// second, of medians and as it was in each round.
func (l *lab) print(e experiment, results map[string][]figures) {
	fmt.Printf("\n%s\n", e.name)
	first, second := results[contenders[0].name], results[contenders[1].name]
	var names []string
	for name := range first[0] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		var ratios []float64
		for i := range first {
			ratios = append(ratios, first[i][name]/second[i][name])
		}
		fmt.Printf("  %-28s %s %s   %s %s   ratio %s\n", name,
			contenders[0].name, spread(column(first, name)), contenders[1].name, spread(column(second, name)), spread(ratios))
	}
}

func column(runs []figures, name string) (values []float64) {
	for _, f := range runs {
		values = append(values, f[name])
	}
	return values
}

// spread is the median, and the least and the greatest.
func spread(values []float64) string {
	sorted := slices.Sorted(slices.Values(values))
	return fmt.Sprintf("%.3g (%.3g to %.3g)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

// contender is a server.
type contender struct {
	name    string
	command func(l *lab, port string) (args, env []string)
	path    string // of publications
	header  http.Header
	body    string
	streams string // path and query of an event stream
}

func (c *contender) publishing(n *node) (url string, header http.Header, body string) {
	return "http://" + n.address + c.path, c.header, c.body
}

// await waits until n publishes: it may listen before it has a broker.
func (c *contender) await(n *node) error {
	url, header, body := c.publishing(n)
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header = header
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode/100 == 2 {
				return nil
			}
			err = fmt.Errorf("it answers %s", answer.Status)
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}

func (c *contender) stream(n *node) string { return "http://" + n.address + c.streams }

// contenders have the same history: 1000 publications, ten minutes.
var contenders = []*contender{
	{
		name: "godwit",
		command: func(l *lab, port string) (args, env []string) {
			env = []string{"GODWIT_BROKER_URL=redis://" + l.redis.address, "GODWIT_DEMO=false"}
			for _, limit := range []string{"REQUESTS_PER_SECOND", "HANDSHAKES_PER_SECOND", "SESSIONS_PER_SECOND",
				"PUBLICATIONS_PER_SECOND_SESSION", "PUBLICATIONS_PER_SECOND_USER", "PUBLICATIONS_PER_SECOND_ADDRESS"} {
				env = append(env, "GODWIT_LIMITS_"+limit+"=10000000")
			}
			return []string{l.godwit, "serve", "--listen", "127.0.0.1:" + port}, env
		},
		path: "/channels/bench", header: http.Header{"Content-Type": {"text/plain"}}, streams: "/channels/bench",
	},
	{
		name: "centrifugo",
		command: func(l *lab, port string) (args, env []string) {
			return []string{l.centrifugo, "-c", l.centrifugoConfig, "--http_server.address", "127.0.0.1", "--http_server.port", port}, nil
		},
		path: "/api/publish", header: http.Header{"Content-Type": {"application/json"}, "X-Api-Key": {"key"}},
		body:    `{"channel":"bench","data":"{payload}"}`,
		streams: `/connection/uni_sse?cf_connect=` + strings.NewReplacer(`"`, "%22", "{", "%7B", "}", "%7D").Replace(`{"subs":{"bench":{}}}`),
	},
}
