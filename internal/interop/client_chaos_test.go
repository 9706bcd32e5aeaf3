package interop

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
)

// clientConfig lets a client come back at once and publish as fast as it can, and keeps
// what it may have missed.
const clientConfig = `
history: {count: 100000}
reconnect: {delay_min: 10ms, window_min: 20ms}
sessions: {ping: 1s}
limits:
  publications_per_second_session: 100000
  publications_per_second_user: 100000
  publications_per_second_address: 1000000
  requests_per_second: 100000
  handshakes_per_second: 10000
  history_pages_per_second: 100000
`

// serveForClient is a server for clients/js, with pages of other origins admitted.
func serveForClient(t *testing.T, args ...string) (host string, process *os.Process) {
	t.Helper()
	file := write(t, t.TempDir(), "godwit.yaml", clientConfig)
	return launchGodwit(t, 15*time.Second, append([]string{"--config", file, "--demo=false"}, args...)...)
}

// clientProgram installs the programs of testdata/client, once for a test.
func clientProgram(t *testing.T) (node, dir string) {
	t.Helper()
	node, npm, dir := program(t, "node", "nodejs"), program(t, "npm"), t.TempDir()
	if err := installNode(npm, dir, "client"); err != nil {
		missing(t, err.Error())
	}
	return node, dir
}

// clientPackage is the file that `import "@godwit/client"` loads.
func clientPackage(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../clients/js/dist/index.js")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestClientChaos: a client whose connections are cut in every way, at random moments,
// while it reads and publishes, has read everything once and in order, and published
// everything once. GODWIT_CHAOS is how many messages each way there are, for all
// transports together; CI has fewer.
func TestClientChaos(t *testing.T) {
	node, dir := clientProgram(t)
	count := 4000
	if asked := os.Getenv("GODWIT_CHAOS"); asked != "" {
		var err error
		if count, err = strconv.Atoi(asked); err != nil {
			t.Fatal("GODWIT_CHAOS:", err)
		}
	}
	transports := []string{"websocket", "stream", "sse", "poll", "websocket,stream,sse,poll"}
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			clientChaos(t, node, dir, transport, count/len(transports))
		})
	}
}

// newPublisher publishes what it sends, in order.
func newPublisher(t *testing.T, url string) *near {
	t.Helper()
	conn, _, err := ws.Dial(background, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return newNear(t, conn)
}

func clientChaos(t *testing.T, node, dir, transport string, count int) {
	host, _ := serveForClient(t)
	network := newCutter(t, host)
	cmd := exec.Command(node, filepath.Join(dir, "follow.mjs"), clientPackage(t), "http://"+network.host, transport, strconv.Itoa(count), strconv.Itoa(count/4))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	told := newInbox[string]()
	var running sync.WaitGroup
	running.Go(func() {
		defer told.end()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			told.put(lines.Text())
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		running.Wait()
		_ = cmd.Wait()
	})
	await := func(prefix string) string {
		t.Helper()
		for {
			line, ok := told.next()
			if !ok {
				t.Fatalf("the client does not say %q any more", prefix)
			}
			if strings.HasPrefix(line, "gap") {
				t.Errorf("it was told of a %s", line)
			}
			if line == prefix || strings.HasPrefix(line, prefix+" ") {
				return line
			}
		}
	}
	await("subscribed")

	// The cuts are in the middle of messages, and all of them have come before the next
	// cut. Meanwhile it publishes what it has to.
	want := sha256.New()
	random := rand.New(rand.NewPCG(1, uint64(count)))
	publisher := newPublisher(t, "ws://"+host+"/channels/down?self=0")
	ways := []string{"drop", "reset", "half-close"}
	for published, n := 0, 0; published < count; n++ {
		size := min(2+random.IntN(80), count-published)
		middle := published + random.IntN(size)
		for end := published + size; published < end; published++ {
			if published == middle {
				if n%50 == 5 {
					network.cut("stall") // it takes two seconds to be noticed
				} else {
					network.cut(ways[random.IntN(len(ways))])
				}
			}
			fmt.Fprintf(want, "%d\n", published)
			publisher.send(t, false, strconv.Itoa(published))
		}
		await("read " + strconv.Itoa(published))
	}
	if got := await("done"); got != fmt.Sprintf("done %d %s", count, hex.EncodeToString(want.Sum(nil))) {
		t.Errorf("it has read something else: %s", got)
	}

	// What it has published is there once, in whatever order.
	seen, total := map[string]bool{}, 0
	for since := ""; ; {
		var page struct {
			Publications []struct{ Data string }
			Position     string
		}
		query := "?limit=1000&last=" + strconv.Itoa(count)
		if since != "" {
			query = "?limit=1000&since=" + since
		}
		answer := body(t, get(t, http.DefaultClient, "http://"+host+"/channels/up"+query, "Accept", "application/json"), http.StatusOK)
		if err := json.Unmarshal([]byte(answer), &page); err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Publications {
			seen[p.Data] = true
			total++
		}
		if since = page.Position; len(page.Publications) == 0 {
			break
		}
	}
	if total != count/4 || len(seen) != total {
		t.Errorf("%d publications were made, %d of them different, for %d", total, len(seen), count/4)
	}
	t.Logf("%d connections for %d messages", network.opened(), count)
}
