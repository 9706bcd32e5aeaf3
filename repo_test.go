// The rules of this repository, as tests: a rule that is broken prints where and
// why it exists. internal/policy is how they are checked.
package godwit_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

// layers is the order the tree is read in: bytes, protocol, connections,
// messages, edges, product. The first row that matches a package is its own.
var layers = []policy.Layer{
	{Packages: "ws/wire", Reason: "a frame is bytes, and everything else is built on it"},
	{Packages: "ws/deflate", May: []string{"ws/wire", "ws/handshake", "internal/option"}, Reason: "compression is negotiated in the handshake and knows no connection"},
	{Packages: "ws/driver", May: []string{"ws/wire", "ws/deflate", "internal/option"}, Reason: "the words that both drivers use are defined below both, once, and are bytes, codes and numbers"},
	{Packages: "internal/httpsyntax", Reason: "what a byte may be is asked by every parser and asks nobody"},
	{Packages: "internal/redact", Reason: "what others may read is decided in one place, which needs nothing of ours"},
	{Packages: "internal/option", Reason: "what 0, a negative number and NoLimit mean is decided in one place, which needs nothing of ours"},
	{Packages: "ws/handshake", May: []string{"ws/wire", "internal/httpsyntax", "internal/redact"}, Reason: "the handshake is over before there is a connection"},
	{Packages: "ws/wstest", May: []string{"ws/wire", "ws/handshake", "ws/deflate"}, Reason: "the scripted peer must not share the code it tests"},
	{Packages: "internal/wsproto", May: []string{"ws/wire", "ws/handshake", "ws/deflate", "ws/driver"}, Reason: "the protocol core is the same under every driver, so it knows none of them, only the words they share"},
	{Packages: "internal/policy", Reason: "the rules must not depend on what they judge"},
	{Packages: "internal/drivertest", May: []string{"ws/wire", "ws/handshake", "ws/deflate", "ws/wstest"}, Reason: "what every driver does is stated from outside: it shares no code with the core it judges"},
	{Packages: "internal/httpcarrier", May: []string{"engine", "ws", "ws/driver", "ws/handshake", "ws/wire", "internal/..."}, Reason: "it is where the two drivers look the same to protocols that have sessions of their own"},
	{Packages: "internal/compatecho", May: []string{"engineio", "socketio", "sockjs", "engine", "ws/handshake"}, Reason: "it is a program of what the suites of other protocols test, made as its users would"},
	{Packages: "internal/witness", May: []string{"hub"}, Reason: "what clients were given is judged by positions, and by nothing that gave it to them"},
	{Packages: "internal/spoken", May: []string{"clientproto", "hub"}, Reason: "words are for commands of godwit.v1, and nothing else"},
	{Packages: "internal/...", May: []string{"internal/..."}, Reason: "what is internal is a leaf that any layer may use"},
	{Packages: "ws", May: []string{"ws/wire", "ws/handshake", "ws/deflate", "ws/driver", "internal/..."}, Reason: "the goroutine driver stands on the protocol core, and shares its words with the other driver"},
	{Packages: "engine/internal/poller", Reason: "what waits for sockets knows no connection and no server"},
	{Packages: "engine/internal/socket", Reason: "a system call is about a descriptor and nothing else"},
	{Packages: "engine/internal/wheel", May: []string{"internal/wsproto"}, Reason: "a timer is a place in a list, whatever it belongs to"},
	{Packages: "engine/internal/outbox", May: []string{"internal/wsproto"}, Reason: "what is to be sent is bytes, whoever they are for"},
	{Packages: "engine/internal/lag", May: []string{"internal/wsproto"}, Reason: "what is done about a loop that is behind is not for the measure to know"},
	{Packages: "engine/internal/workers", Reason: "a worker makes calls, whatever they are about"},
	{Packages: "engine/internal/tlslink", May: []string{"engine/internal/socket"}, Reason: "TLS is bytes between crypto/tls and a descriptor: the connection above is an interface"},
	{Packages: "engine/...", May: []string{"engine/...", "ws/wire", "ws/handshake", "ws/deflate", "ws/driver", "internal/..."}, Reason: "the event-loop driver stands on the protocol core, and shares its words with the other driver"},
	{Packages: "access", Reason: "who may do what is decided in one place, which needs nothing of ours"},
	{Packages: "hub/internal/pubcodec", May: []string{"hub"}, Reason: "it is about what the hub and its brokers exchange"},
	{Packages: "hub/internal/trie", May: []string{"access"}, Reason: "which patterns match is a matter of what patterns mean"},
	{Packages: "hub/internal/...", Reason: "what is internal is a leaf"},
	{Packages: "hub", May: []string{"access", "hub/internal/...", "internal/jsonpointer", "internal/option"}, Reason: "the hub is channels and sessions, and whatever carries or keeps them plugs into it"},
	{Packages: "hub/relay", May: []string{"hub", "hub/membroker", "hub/internal/..."}, Reason: "what can move is the broker of this process, and how it moves is between the two"},
	{Packages: "hub/cluster", May: []string{"hub", "internal/option"}, Reason: "what nodes know of each other goes over any bus, so it knows no broker"},
	{Packages: "hub/cluster/roster", May: []string{"hub", "hub/cluster"}, Reason: "who is where is a matter between hubs and nodes"},
	{Packages: "hub/...", May: []string{"access", "hub", "hub/internal/...", "internal/option"}, Reason: "a broker sees the hub's public interface, as one written elsewhere would"},
	{Packages: "clientproto", May: []string{"hub", "internal/jsontext"}, Reason: "godwit.v1 is a format, the same on both ends of any connection"},
	{Packages: "transport/dialect", May: []string{"access", "clientproto", "hub", "ws/wire", "ws/driver", "internal/..."}, Reason: "a dialect is what bytes mean to a session: it knows no connection and no carrier"},
	{Packages: "transport/...", May: []string{"access", "transport/...", "clientproto", "hub", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate", "ws/driver", "internal/..."}, Reason: "an edge binds connections to sessions and knows no product around it"},
	{Packages: "engineio/...", May: []string{"engineio/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate", "ws/driver", "internal/..."}, Reason: "Engine.IO is a protocol of its own, for programs that have never heard of channels"},
	{Packages: "socketio/...", May: []string{"socketio/...", "engineio/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/driver", "internal/..."}, Reason: "Socket.IO is a protocol of its own, for programs that have never heard of channels"},
	{Packages: "sockjs/...", May: []string{"sockjs/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate", "ws/driver", "internal/..."}, Reason: "SockJS is a protocol of its own, for programs that have never heard of channels"},
	{Packages: "compat/...", May: []string{"access", "compat/...", "engineio", "socketio/...", "sockjs", "transport/...", "clientproto", "hub", "engine", "ws", "ws/wire", "ws/handshake", "ws/driver", "internal/..."}, Reason: "what maps a protocol of others to channels stands on that protocol and on the edge"},
	{Packages: "client/...", May: []string{"access", "client/...", "clientproto", "hub", "ws", "ws/wire", "ws/handshake"}, Reason: "a program that uses the client must not link the server"},
	{Packages: "clients/...", Reason: "what runs in other people's programs is files; it shares no code with the server that gives them out"},
	{Packages: "conformance/...", May: []string{"conformance/...", "ws/wire", "ws/handshake", "internal/redact"}, Reason: "the suite judges any implementation from outside, so it shares no code with ours above bytes"},
	{Packages: "inspect", May: []string{"ws/wire", "ws/handshake", "ws/deflate", "internal/redact", "internal/wrongscheme"}, Reason: "inspect explains any endpoint from outside, byte by byte, so it stands on bytes alone"},
	{Packages: "loadgen/...", May: []string{"loadgen/...", "ws", "ws/wire", "ws/handshake", "ws/deflate", "engine", "client", "clientproto", "internal/..."}, Reason: "load is made the way clients make it"},
	{Packages: "docs", Reason: "the documentation is files, which the server shows"},
	{Packages: "server/...", May: []string{"access", "server/...", "clients/...", "docs", "compat/...", "engineio", "socketio", "sockjs", "transport/...", "clientproto", "hub/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate", "internal/..."}, Reason: "the product is assembled from the layers below it"},
	{Packages: "cmd/...", May: []string{"access", "examples/gallery", "server/...", "compat/...", "client", "conformance/...", "inspect", "loadgen/...", "clientproto", "transport/...", "hub/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate", "internal/..."}, Reason: "a command is the end of the graph"},
	{Packages: "packaging/...", Reason: "what machines need is files; the tests look at them and build the program as others do"},
	{Packages: "examples/...", May: []string{"access", "examples/...", "server/...", "compat/...", "engineio", "socketio/...", "sockjs", "client", "clientproto", "transport/...", "hub/...", "engine", "ws", "ws/wire", "ws/handshake", "ws/deflate"}, Reason: "an example can do only what its reader can do"},
}

// arrows are the imports that matter enough to have a reason of their own.
var arrows = []policy.Arrow{
	{From: "hub/...", To: "ws/...", Reason: "the hub must not know which transport carries it"},
	{From: "hub/...", To: "engine/...", Reason: "the hub must not know which transport carries it"},
	{From: "hub/...", To: "transport/...", Reason: "edges know the hub, never the other way round"},
	{From: "hub/...", To: "net/...", Reason: "a session writes to whatever drains it: the hub performs no network I/O"},
	{From: "ws", To: "engine/...", Reason: "drivers share the protocol core and the words of ws/driver, and nothing else: each can be used without the other"},
	{From: "engine/...", To: "ws", Reason: "drivers share the protocol core and the words of ws/driver, and nothing else: each can be used without the other"},
	{From: "...", To: "server/...", Except: []string{"server/...", "cmd/godwit", "examples/...", "packaging"}, In: policy.Everywhere, Reason: "the product is at the top: what needs it belongs in it or below it"},
	{From: "...", To: "cmd/...", Except: []string{"cmd/..."}, In: policy.Everywhere, Reason: "a command is the end of the graph"},
	{From: "...", To: "examples/...", Except: []string{"examples/...", "cmd/godwit", "internal/interop"}, In: policy.Everywhere, Reason: "an example is read, and shown by the program; nothing stands on it"},
	{From: "...", To: "internal/policy", Reason: "the repository's rules are for its tests"},
	{From: "...", To: "ws/wstest", Except: []string{"internal/drivertest"}, Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/drivertest", Reason: "test support must not reach a binary"},
	{From: "...", To: "hub/brokertest", Reason: "test support must not reach a binary"},
	{From: "...", To: "github.com/getkin/kin-openapi/...", Reason: "the description of the API is checked by tests; the server only shows it"},
	{From: "...", To: "github.com/evanw/esbuild/...", Reason: "bundles are made when the source changes, and committed; no program has a bundler in it"},
	{From: "...", To: "internal/eventsource", Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/certtest", Except: []string{"internal/redistest"}, Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/golden", Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/natstest", Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/standstill", Except: []string{"internal/clustertest", "internal/natstest", "internal/redistest"}, Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/redistest", Reason: "test support must not reach a binary"},
	{From: "...", To: "testing/...", Except: []string{"ws/wstest", "hub/brokertest", "internal/certtest", "internal/chromiumtest", "internal/clustertest", "internal/drivertest", "internal/golden", "internal/natstest", "internal/redistest"}, Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/chromiumtest", Reason: "test support must not reach a binary"},
	{From: "...", To: "internal/clustertest", Reason: "test support must not reach a binary"},

	{From: "ws/...", To: "math/rand/...", Except: []string{"ws/wstest"}, Reason: "a mask that can be predicted lets a page choose the bytes on the wire (RFC 6455 §10.3)"},
	{From: "internal/wsproto", To: "math/rand/...", Reason: "a mask that can be predicted lets a page choose the bytes on the wire (RFC 6455 §10.3)"},
	{From: "engine/...", To: "math/rand/...", Reason: "a mask that can be predicted lets a page choose the bytes on the wire (RFC 6455 §10.3)"},

	{From: "...", To: "C", In: policy.Everywhere, Reason: "one static binary that cross-compiles everywhere"},
	{From: "...", To: "golang.org/x/net/websocket", In: policy.Everywhere, Reason: "the WebSocket code is ours; comparisons live in bench, a module of its own"},
	{From: "...", To: "github.com/coder/websocket/...", In: policy.Everywhere, Reason: "the WebSocket code is ours; comparisons live in bench, a module of its own"},
	{From: "...", To: "github.com/gobwas/ws/...", In: policy.Everywhere, Reason: "the WebSocket code is ours; comparisons live in bench, a module of its own"},
	{From: "...", To: "github.com/gorilla/websocket/...", In: policy.Everywhere, Reason: "the WebSocket code is ours; comparisons live in bench, a module of its own"},
	{From: "...", To: "github.com/lesismal/nbio/...", In: policy.Everywhere, Reason: "the WebSocket code is ours; comparisons live in bench, a module of its own"},
}

var outside = []policy.Outside{
	{
		Packages: []string{"ws/...", "engine/...", "access", "hub/...", "internal/wsproto"},
		May:      []string{"golang.org/x/...", "github.com/klauspost/compress/..."},
		Reason:   "a library is adopted together with everything it imports",
	},
}

// pure packages are functions from bytes to bytes: they can be fuzzed, simulated
// and driven by anything.
var pure = []string{
	"access",
	"client/internal/session",
	"clientproto",
	"compat/piesocket/frame",
	"compat/pusher/protocol",
	"engine/internal/httphead",
	"engineio/internal/packet",
	"engineio/internal/session",
	"internal/httpsyntax",
	"internal/jsontext",
	"internal/legible",
	"internal/redact",
	"internal/scale",
	"internal/spoken",
	"internal/tracecontext",
	"internal/wsproto",
	"server/bridge/feed",
	"socketio/packet",
	"sockjs/internal/frames",
	"sockjs/internal/session",
	"transport/dialect",
	"ws/deflate",
	"ws/handshake",
	"ws/wire",
}

func pureArrows() (arrows []policy.Arrow) {
	for _, p := range pure {
		for _, to := range []string{"net", "net/http/...", "net/textproto"} {
			arrows = append(arrows, policy.Arrow{From: p, To: to, Reason: "a pure package performs no I/O: bytes in, bytes out"})
		}
		// golang.org/x/sys/cpu is not among them: it asks the processor what it can do.
		for _, to := range []string{"os/...", "io/ioutil", "syscall", "golang.org/x/sys/unix/...", "golang.org/x/sys/windows/...", "golang.org/x/sys/plan9/..."} {
			arrows = append(arrows, policy.Arrow{From: p, To: to, Reason: "a pure package knows no operating system"})
		}
		arrows = append(arrows, policy.Arrow{From: p, To: "log/...", Reason: "a pure package returns what it has to say"})
	}
	return arrows
}

var uses = []policy.Use{
	{
		From: pure, Package: "time",
		Names:  []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
		Reason: "time is an argument: a pure package never reads a clock, so tests and simulators decide what time it is",
	},
	{
		From: pure, Package: "sync",
		Names:  []string{"Mutex", "RWMutex", "Locker", "Cond", "NewCond", "WaitGroup", "Map"},
		Reason: "a pure package takes no lock: its driver decides who calls when",
	},
	{
		From: []string{"..."}, Except: []string{"cmd/...", "examples/...", "packaging/release", "internal/compatecho", "internal/crosscheck"}, Package: "os", Names: []string{"Exit"},
		Reason: "only a command may end the process; a library returns an error",
	},
	{
		From: []string{"..."}, Except: []string{"cmd/...", "examples/...", "internal/compatecho"}, Package: "log",
		Names:  []string{"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"},
		Reason: "only a command may end the process; a library returns an error",
	},
	{
		From: []string{"ws/wstest", "hub/brokertest", "internal/drivertest"}, Package: "time", Names: []string{"Sleep"},
		Reason: "test support runs in its user's testing/synctest bubble or in real time, and must be fast in both",
	},
}

// parsers are the packages that read what a peer sends.
var parsers = []string{
	"access",
	"client/internal/session",
	"compat/piesocket",
	"compat/piesocket/frame",
	"compat/pusher",
	"compat/pusher/protocol",
	"engine",
	"engine/internal/httphead",
	"engineio",
	"engineio/internal/packet",
	"hub",
	"hub/cluster",
	"hub/cluster/roster",
	"inspect",
	"internal/hops",
	"internal/proxyproto",
	"internal/redact",
	"internal/scale",
	"internal/tracecontext",
	"internal/wsproto",
	"server/api",
	"server/bridge/feed",
	"server/diskbroker",
	"server/forward",
	"server/natsbroker",
	"server/redisbroker",
	"socketio/packet",
	"sockjs/internal/frames",
	"transport",
	"ws/deflate",
	"ws/handshake",
	"ws/wire",
}

// longFiles lists the source files that may pass fileLinesMax, each with the
// reason that makes it easier to read whole.
var longFiles = map[string]string{}

const fileLinesMax = 500

func TestImports(t *testing.T) {
	tree := load(t)
	report(t, policy.Layers(tree, layers))
	report(t, policy.Arrows(tree, slices.Concat(arrows, pureArrows())))
	report(t, policy.Outsiders(tree, outside))
}

func TestUses(t *testing.T) {
	tree := load(t)
	report(t, policy.Uses(tree, uses))
	report(t, policy.Goroutines(tree, pure, "a pure package is called, and calls nobody behind the caller's back"))
}

func TestPackages(t *testing.T) {
	tree := load(t)
	report(t, policy.PackageDocs(tree, "examples"))
	report(t, policy.Names(tree, []string{"util", "utils", "common", "helper", "helpers", "pkg", "misc", "base"},
		"a name that says nothing collects everything; name it after what it provides"))
	report(t, policy.LongFiles(tree, fileLinesMax, longFiles))
}

func TestTests(t *testing.T) {
	tree := load(t)
	report(t, policy.Sleeps(tree, "a sleep is too long on one machine and too short on another; use testing/synctest, or wait for the event itself"))
	report(t, policy.SilentSkips(tree, "a skipped test says why"))
	report(t, policy.FuzzTargets(tree, parsers, "what a peer sends is parsed by code that was fuzzed"))
	report(t, policy.FuzzedParsers(tree, "every parser has a fuzz target"))
}

func TestDependencies(t *testing.T) {
	tree := load(t)
	report(t, policy.Replacements(tree, "the go command ignores it in everyone else's build: they would get other code than we test"))
	report(t, policy.Undecided(tree, "docs/decisions", "a dependency is a decision: write down what was compared and why this one"))
}

func TestDocuments(t *testing.T) {
	tree := load(t)
	report(t, policy.Missing(tree, []string{
		"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE",
		"docs/decisions/README.md", ".ci/run", "Makefile",
	}, "people look for it under this name"))
	report(t, policy.Says(tree, "README.md", 60, []string{"go run ./cmd/godwit serve", "go test ./..."},
		"a newcomer runs two commands before reading on"))
	report(t, policy.Says(tree, "LICENSE", 5, []string{"Apache License", "Version 2.0"}, "the licence is Apache-2.0, and tools recognise it by its text"))
	report(t, policy.DeadLinks(tree))
	report(t, policy.Mentions(tree, machinePaths(t), "a path of one machine is wrong on every other"))
}

// machinePaths returns where this checkout is, and the folder it is in unless
// that is one that every machine has.
func machinePaths(t *testing.T) []string {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	parent := filepath.Dir(root)
	if filepath.Dir(parent) == parent || parent == filepath.Clean(os.TempDir()) {
		return []string{root}
	}
	return []string{root, parent}
}

// loaded is the tree, which is read and parsed once for all rules: none of them changes it.
var loaded = sync.OnceValues(func() (*policy.Tree, error) { return policy.Load(os.DirFS(".")) })

func load(t *testing.T) *policy.Tree {
	t.Helper()
	tree, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func report(t *testing.T, found []policy.Finding) {
	t.Helper()
	for _, f := range found {
		t.Error(f)
	}
}
