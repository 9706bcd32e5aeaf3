package chromiumtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// names are those under which systems have it.
var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// program returns where it is, or ends the test.
func program(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal("Chromium is not installed, and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip("Chromium is not installed")
	return ""
}

// Start starts a Chromium of the test's own, and returns a context to open windows in. The
// program ends with the test. Only a test that needs other options than the usual ones has
// to start one: the others have Shared.
func Start(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	ctx, stop, err := run(t.Context(), program(t), t.TempDir(), options...)
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// shared is what Shared has started. Main ends it.
var shared struct {
	sync.Mutex // guards what follows
	ctx        context.Context
	stop       func() // nil until it has been started
	dir        string
	err        error
}

// Shared returns a context to open windows in, of a Chromium that all tests of a package
// share. A window with chromedp.WithNewBrowserContext has cookies, storage and connections
// of its own. The package's TestMain has to use Main, which ends the program.
func Shared(t testing.TB) context.Context {
	t.Helper()
	path := program(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.stop == nil && shared.err == nil {
		if shared.dir, shared.err = os.MkdirTemp("", "godwit-chromium-"); shared.err == nil {
			shared.ctx, shared.stop, shared.err = run(context.Background(), path, shared.dir)
		}
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

// Main is the tests of a package, after which what Shared has started ends. It is what
// goleak.VerifyTestMain is given:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(chromiumtest.Main(m)) }
func Main(m interface{ Run() int }) interface{ Run() int } { return tests{m} }

type tests struct{ m interface{ Run() int } }

func (t tests) Run() (code int) {
	code = t.m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.stop != nil {
		shared.stop()
	}
	if shared.dir == "" {
		return code
	}
	if err := os.RemoveAll(shared.dir); err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("chromiumtest: the browser's folder is left behind"), err))
		return max(code, 1)
	}
	return code
}

// run starts a program with a folder of its own. stop ends it and waits for it.
func run(ctx context.Context, path, dir string, options ...chromedp.ExecAllocatorOption) (_ context.Context, stop func(), err error) {
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(slices.Concat(chromedp.DefaultExecAllocatorOptions[:], options),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests run as root in containers, where the sandbox cannot
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // they are made for the test
		chromedp.UserDataDir(dir),
	)...)
	ctx, cancelWindow := chromedp.NewContext(ctx)
	stop = func() {
		_ = chromedp.Cancel(ctx)
		cancelWindow()
		cancel()
	}
	if err := chromedp.Do(ctx); err != nil {
		return ctx, stop, fmt.Errorf("cannot start %s: %w", path, err)
	}
	return ctx, stop, nil
}
