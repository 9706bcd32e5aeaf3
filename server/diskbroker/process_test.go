package diskbroker

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
)

// childVariable has the test be a process that publishes to a directory until it is killed.
const childVariable = "GODWIT_TEST_DISK_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// child publishes and says what was acknowledged, a line for each.
func child(dir string) {
	b, err := New(&Options{Dir: dir, SyncAlways: os.Getenv(childVariable+"_ALWAYS") != "", LogBytes: 256 << 10})
	if err == nil {
		err = b.Start(nobody{})
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			a := make(answer, 1)
			for k := 0; ; k++ {
				channel, data := fmt.Sprintf("c%d", (i+k)%3), fmt.Sprintf("%d.%d.%d.%s", os.Getpid(), i, k, strings.Repeat("x", rand.IntN(300)))
				b.Publish(hub.Message{Channel: channel, Data: []byte(data), IdempotencyKey: data[:min(len(data), 40)]}, plenty, a, 0)
				p := <-a
				if p.Err != nil {
					fmt.Println("error", p.Err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Printf("%s %s %d %s\n", channel, p.Position.Epoch, p.Position.Offset, data)
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// A process that is killed at any moment, again and again: what it has acknowledged is there, at its place, once, and positions
// go on.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel() // the disk is waited for
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	for _, always := range []bool{false, true} {
		t.Run(fmt.Sprintf("always %v", always), func(t *testing.T) {
			f := newFixture(t, nil)
			f.boot = bootID() // as it is in the other process
			f.options.boot = nil
			f.close()
			f.open()
			epoch := f.Epoch()
			f.close()
			acknowledged := make(map[string]map[uint64]string)
			for round := range rounds {
				cmd := exec.Command(program)
				cmd.Env = append(os.Environ(), childVariable+"="+f.options.Dir)
				if always {
					cmd.Env = append(cmd.Env, childVariable+"_ALWAYS=1")
				}
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
				killAt := 1 + rand.IntN(3000)
				if always {
					killAt = 1 + rand.IntN(300)
				}
				lines := bufio.NewReader(out)
				n := 0
				for ; ; n++ {
					line, err := lines.ReadString('\n')
					if err != nil {
						break // what was not said to the end was not acknowledged
					}
					fields := strings.Fields(line)
					if len(fields) != 4 || fields[1] != epoch {
						t.Fatalf("round %d: the other process says %q, and the epoch is %s", round, line, epoch)
					}
					offset, err := strconv.ParseUint(fields[2], 10, 64)
					if err != nil {
						t.Fatal(err)
					}
					of := acknowledged[fields[0]]
					if of == nil {
						of = make(map[uint64]string)
						acknowledged[fields[0]] = of
					}
					if other, is := of[offset]; is {
						t.Fatalf("round %d: %s:%d was given to %.40s and to %.40s", round, fields[0], offset, other, fields[3])
					}
					of[offset] = fields[3]
					if n == killAt {
						_ = cmd.Process.Kill()
					}
				}
				_ = cmd.Wait() // it was killed
				if !overdue.Stop() && n < killAt {
					t.Fatalf("round %d: %d of %d publications within %v", round, n, killAt, patience)
				}
				f.open()
				if f.Epoch() != epoch {
					t.Fatalf("round %d: the epoch is %s, and was %s: %s", round, f.Epoch(), epoch, f.logged.String())
				}
				for channel, of := range acknowledged {
					page := f.page(channel, hub.Query{})
					there := make(map[uint64]string, len(page.Publications))
					for _, p := range page.Publications {
						there[p.Position.Offset] = string(p.Data)
					}
					for offset, data := range of {
						if there[offset] != data {
							t.Fatalf("round %d: %s:%d has %.40q, and %.40q was acknowledged", round, channel, offset, there[offset], data)
						}
					}
					if len(there) != int(page.Position.Offset) {
						t.Fatalf("round %d: %s has %d publications up to %v", round, channel, len(there), page.Position)
					}
				}
				f.close()
			}
		})
	}
}
