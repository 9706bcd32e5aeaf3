package loadgen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
)

// reading is what the server's processes have used so far.
type reading struct {
	cpu      time.Duration
	resident int64 // bytes
}

// observer reads what the server uses. It is for one goroutine.
type observer struct {
	from     string
	local    bool // on this machine
	coresMax int  // 0: not known
	read     func(context.Context) (reading, error)
	threads  func() map[int]time.Duration // the CPU time of each thread; nil: not known
	peak     func() int64                 // the most memory so far; nil: not known
	close    func()
}

// observe returns nil if nothing is to be observed, and an error if it cannot.
func (r *run) observe(ctx context.Context) (*observer, error) {
	switch {
	case len(r.o.PIDs) > 0:
		return observeProcesses(r.o.PIDs)
	case r.o.Metrics != "":
		return observeMetrics(ctx, r.o.Metrics)
	case r.o.isVirtual() || !isOnThisMachine(r.report.URL):
		return nil, nil
	}
	r.unseen = true
	pids := listenersOf(r.report.URL)
	if len(pids) == 0 {
		return nil, nil
	}
	found, err := observeProcesses(pids)
	if err != nil {
		return nil, nil // nobody asked for it
	}
	names := make([]string, len(pids))
	for i, pid := range pids {
		names[i] = fmt.Sprintf("%d (%.40q)", pid, processName(pid))
	}
	r.note("The server's CPU and memory are those of who listens at this address: process " + strings.Join(names, ", ") + ".")
	r.unseen = false
	return found, nil
}

const (
	metricsTimeout  = 2 * time.Second
	metricsBytesMax = 16 << 20
)

func observeMetrics(ctx context.Context, target string) (*observer, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	client := &http.Client{Transport: transport, Timeout: metricsTimeout}
	shown := redact.Text(target)
	read := func(ctx context.Context) (reading, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return reading{}, err
		}
		response, err := client.Do(r)
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = fmt.Errorf("%s: %w", shown, wrapped.Err) // its text has the URL with all that is in the query
		}
		if err != nil {
			return reading{}, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return reading{}, fmt.Errorf("%s answered %d", shown, response.StatusCode)
		}
		return parseMetrics(io.LimitReader(response.Body, metricsBytesMax))
	}
	if _, err := read(ctx); err != nil {
		transport.CloseIdleConnections()
		return nil, fmt.Errorf("loadgen: cannot read the server's metrics: %w", err)
	}
	return &observer{from: shown, local: isOnThisMachine(target), read: read, close: transport.CloseIdleConnections}, nil
}

var errNoProcessMetrics = errors.New("the page has neither process_cpu_seconds_total nor process_resident_memory_bytes")

// parseMetrics finds the two figures in a page of the Prometheus text format. If
// there are several of one, with labels, they are added up.
func parseMetrics(r io.Reader) (reading, error) {
	var got reading
	found := false
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value := lines.Text(), ""
		if i := strings.IndexAny(name, "{ "); i >= 0 {
			name, value = name[:i], name[i:]
		}
		if name != "process_cpu_seconds_total" && name != "process_resident_memory_bytes" {
			continue
		}
		value = value[strings.LastIndexByte(value, '}')+1:]      // labels, as of one of several processes
		value, _, _ = strings.Cut(strings.TrimSpace(value), " ") // a timestamp may follow
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v >= 0 && v < 1<<53) || got.resident > 1<<60 || got.cpu > 1<<61 {
			return reading{}, fmt.Errorf("%s has the value %.40q", name, value)
		}
		found = true
		if name == "process_cpu_seconds_total" {
			got.cpu += time.Duration(min(v, 1e9) * float64(time.Second))
		} else {
			got.resident += int64(v)
		}
	}
	switch {
	case lines.Err() != nil:
		return reading{}, lines.Err()
	case !found:
		return reading{}, errNoProcessMetrics
	}
	return got, nil
}
