package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/internal/scale"
)

// The plan for fixed figures is as it was.
func TestPlan(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, line := range []string{
		"--connections 1000 --rate 10 --fanout 100",
		"--connections 1e6 --rate 1000 --fanout 1000 --broker nats",
		"--connections 1e6 --rate 1e6 --fanout 1 --broker redis",
		"--connections 1e8 --rate 1e5 --fanout 1000 --broker nats --node-cores 16 --node-memory 64 --node-network 25",
		"--connections 1e6 --rate 1000 --fanout 1000",
		"--connections 1e5 --rate 1e6 --fanout 1e5 --broker nats",
		"--connections 5e5 --rate 1 --fanout 10 --broker redis --node-memory 0.5 --use 80",
		"--connections 10 --rate 0 --fanout 0 --size 0",
	} {
		r := do(t, "", append(strings.Fields("plan --figures testdata/figures.json"), strings.Fields(line)...)...)
		if r.code != exitOK || r.errOut != "" {
			t.Errorf("%s: %+v", line, r)
		}
		all.WriteString("$ godwit plan " + line + "\n" + r.out + "\n")
	}
	golden.Compare(t, "testdata/plan.txt", all.String())
}

func TestPlanJSON(t *testing.T) {
	t.Parallel()
	r := do(t, "", strings.Fields("plan -c 1e6 -r 1000 --fanout 1000 --broker redis --json")...)
	var p scale.Plan
	if err := json.Unmarshal([]byte(r.out), &p); err != nil || r.code != exitOK {
		t.Fatalf("%+v, %v", r, err)
	}
	if p.Deliveries != 1e6 || p.Nodes < 2 || p.Limit == "" || len(p.Needs) != 3 || p.Load.Broker != "redis" {
		t.Errorf("%+v", p)
	}
}

// Figures that are shown can be given back.
func TestPlanFigures(t *testing.T) {
	t.Parallel()
	shown := do(t, "", "plan", "--show-figures")
	file := filepath.Join(t.TempDir(), "figures.json")
	if err := os.WriteFile(file, []byte(shown.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := do(t, "", "plan", "--show-figures", "--figures", file); again != shown || shown.code != exitOK {
		t.Errorf("%+v is read as %+v", shown, again)
	}
}

func TestPlanFails(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--rate 1 --fanout 1":                                  "--connections is missing",
		"--connections 1 --fanout 1":                           "--rate is missing",
		"--connections 1 --rate 1":                             "--fanout is missing",
		"--connections 1 --rate 1 --fanout 2":                  "cannot be given to 2 of 1",
		"--connections -1 --rate 1 --fanout 1":                 "connections: -1",
		"--connections 1 --rate 1 --fanout 1 --broker kafka":   `no figures of a broker "kafka"; there are some of disk, memory, nats, redis`,
		"--connections 1 --rate 1 --fanout 1 --use 101":        "more than all",
		"--connections 1 --rate 1 --fanout 1 --node-cores -1":  "cores: -1",
		"--connections 1 --rate 1 --fanout 1 --node-memory -1": "must not be negative",
		"--connections 1 --rate 1 --fanout 1 more":             "one argument too many",
	} {
		if r := do(t, "", append([]string{"plan"}, strings.Fields(line)...)...); r.code != exitUsage || !strings.Contains(r.errOut, want) {
			t.Errorf("%s: %+v, want %q", line, r, want)
		}
	}
	for _, line := range []string{"--figures /no/such/file", "--figures testdata/serve.txt"} {
		if r := do(t, "", append([]string{"plan", "--show-figures"}, strings.Fields(line)...)...); r.code != exitFailure || r.out != "" {
			t.Errorf("%s: %+v", line, r)
		}
	}
}
