//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const acmeSection = "  acme:\n    domains: [live.example.com]\n    email: ops@example.com\n    storage: /var/lib/godwit/acme\n"

// TestProductionPage follows docs/production.md from its first to its last command.
func TestProductionPage(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole site takes half a minute")
	}
	t.Parallel()
	needs(t, "sh", "curl", "openssl", "tar")
	p := readProduction(t)
	m := newMachine(t)
	done := make(map[string]bool)
	step := func(of string, want ...string) string {
		t.Helper()
		text := p.with(t, "sh", of)
		done[text] = true
		got := m.run(t, text)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s\nprinted %s\nwant %s", text, got, w)
			}
		}
		return got
	}

	m.run(t, "cd "+m.root+"/elsewhere")
	step("make release")
	m.run(t, "cd")
	step("apt-get", "godwit ")
	step("key new shop", "key: gk_", "hash: sha256:", `grants: {publish: ["**"]}`, `manage: ["**"]`)
	for _, secret := range []string{"/etc/godwit/environment", "/root/godwit_v1.2.3_linux_amd64/shop.key"} {
		info, err := os.Stat(m.root + secret)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v: others can read it", info, err)
		}
	}

	configuration := p.with(t, "yaml", "# /etc/godwit/godwit.yaml")
	m.write(t, "etc/godwit/godwit.yaml", m.ports.Replace(configuration))
	if got := step("config explain", "ok\n", "history.count      500", "rates.session      5"); strings.Contains(got, "warning") {
		t.Errorf("it warns: %s", got)
	}
	// Whatever could be wrong is found, and no authority asked: the files take its place.
	m.certify(t)
	m.edit(t, m.ports.Replace(acmeSection), strings.TrimPrefix(m.ports.Replace(p.with(t, "yaml", "key: /etc/godwit/key.pem")), "tls:\n"))

	step("enable --now", "ok\n", "ok: http")
	got := step("token make", `{"position":"`, `"data":"hello"`, `"status":401`, `needs the grant publish on channel \"chat/lobby\"`, `allowed: `)
	if strings.Count(got, `{"position"`) != 1 {
		t.Errorf("what was published without a token: %s", got)
	}
	got = m.run(t, `curl -sS -H "Authorization: Bearer $token" -d hello https://live.example.com/channels/news`)
	if !strings.Contains(got, `"status":403`) {
		t.Errorf("what the token does not name: %s", got)
	}
	m.issue(t, p)
	step("public/scores", `{"channel":"public/scores","position":"`, "\n", `{"position":"`)
	got = m.run(t, "curl -sSN -m 20 -H 'Accept: application/x-ndjson' https://live.example.com/channels/public/scores | sed -n '/away/{p;q}'")
	if !strings.Contains(got, `"data":{"home":1,"away":1}`) {
		t.Errorf("the last value: %s", got)
	}
	step("count: 1000", `"msg":"reloaded"`, `"changed":"channels"`)

	m.run(t, `old=$token`)
	step("echo \"TOKEN_SECRET=$(openssl rand -hex 32)\" >>", "ok\n")
	publish := `curl -sS -H "Authorization: Bearer $%s" -d hello https://live.example.com/channels/chat/lobby`
	fresh := `token=$(godwit token make --user ann --publish 'chat/*' --config /etc/godwit/godwit.yaml)` + "\n"
	if got := m.run(t, fresh+fmt.Sprintf(publish, "old")+"\n"+fmt.Sprintf(publish, "token")); strings.Count(got, "position") != 2 {
		t.Errorf("while both secrets count: %s", got)
	}
	step("/OLD_TOKEN_SECRET/d")
	if got := m.run(t, fmt.Sprintf(publish, "old")); !strings.Contains(got, `"status":401`) {
		t.Errorf("the old secret counts: %s", got)
	}
	if got := m.run(t, fmt.Sprintf(publish, "token")); !strings.Contains(got, "position") {
		t.Errorf("the new secret does not count: %s", got)
	}
	step("revocations", `"ended":0`)
	if got := m.run(t, fmt.Sprintf(publish, "token")); !strings.Contains(got, "revoked") {
		t.Errorf("a token that was revoked: %s", got)
	}
	step("grep '^godwit_tcp_connections '", "godwit_tcp_connections ")
	if got := m.run(t, "curl -sS -o /dev/null -w '%{http_code}' https://live.example.com/metrics"); !strings.Contains(got, "404") {
		t.Errorf("metrics can be read by everybody: %s", got)
	}
	m.alerts(t, p.with(t, "yaml", "alert:"))
	m.run(t, "unset TOKEN_SECRET; set -a; . /etc/godwit/environment; set +a")
	step("install -m 755 godwit /usr/local/bin/godwit\ngodwit serve --upgrade", "upgraded: process ", "ok\n")
	for _, b := range p.blocks {
		if b.language == "sh" && !done[b.text] {
			t.Errorf("no test runs\n%s", b.text)
		}
	}
	m.behindNginx(t, p)
}

// edit replaces what must be in the configuration.
func (m *machine) edit(t *testing.T, old, text string) {
	t.Helper()
	file := m.root + "/etc/godwit/godwit.yaml"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(b), old) != 1 {
		t.Fatalf("the configuration does not have %q once:\n%s", old, b)
	}
	m.write(t, "etc/godwit/godwit.yaml", strings.Replace(string(b), old, text, 1))
}

// issue has the application of the page sign a token.
func (m *machine) issue(t *testing.T, p *page) {
	t.Helper()
	text := p.with(t, "js", "// token.mjs")
	if _, err := exec.LookPath("node"); err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
			t.Error("node is not installed, and GODWIT_REQUIRE_ALL is set")
		}
		return
	}
	m.write(t, "token.mjs", text+"\nconsole.log(tokenFor(\"bob\"))\n")
	got := m.run(t, `bob=$(node `+m.root+`/token.mjs); godwit token explain "$bob" --config /etc/godwit/godwit.yaml
curl -sS -H "Authorization: Bearer $bob" -d 'hello' https://live.example.com/channels/chat/lobby`)
	if !strings.Contains(got, `{"position":"`) || !strings.Contains(got, "inbox/{user}") {
		t.Errorf("the token that the application signs: %s", got)
	}
}

// alerts are about metrics that there are.
func (m *machine) alerts(t *testing.T, rules string) {
	t.Helper()
	documented, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`\bgodwit_\w+`).FindAllString(rules, -1)
	if len(names) < 7 {
		t.Errorf("the rules name %d metrics", len(names))
	}
	for _, name := range names {
		if !strings.Contains(string(documented), "| `"+name+"` |") {
			t.Errorf("an alert is about %s, which is no metric", name)
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		m.write(t, "godwit.rules.yaml", rules)
		if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", m.root+"/godwit.rules.yaml").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// behindNginx has nginx before the server, as the page says.
func (m *machine) behindNginx(t *testing.T, p *page) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	needs(t, nginx)
	b, err := os.ReadFile(m.root + "/etc/godwit/godwit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\ntokens:")
	if !ok {
		t.Fatalf("no tokens in %s", b)
	}
	m.write(t, "etc/godwit/godwit.yaml", m.ports.Replace(p.with(t, "yaml", "trusted_proxies"))+"\ntokens:"+rest)
	m.run(t, "godwit config check --config /etc/godwit/godwit.yaml\nsystemctl restart godwit")
	m.write(t, "nginx.conf", "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n"+
		m.ports.Replace(p.with(t, "nginx", "proxy_pass"))+"\n}\n")
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, nginx, "-p", m.root, "-e", "stderr", "-c", m.root+"/nginx.conf")
	var says output
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(says.String())
		}
	}()
	got := m.run(t, `token=$(godwit token make --user eve --publish 'chat/*' --config /etc/godwit/godwit.yaml)
curl -sS --retry 20 --retry-connrefused --retry-delay 1 -H "Authorization: Bearer $token" -d hello https://live.example.com/channels/chat/lobby
curl -sS -m 20 -H "Authorization: Bearer $KEY" https://live.example.com/channels/chat/lobby -o /dev/null -w '%{http_code}'`)
	if !strings.Contains(got, `{"position":"`) || !strings.Contains(got, "403") {
		t.Errorf("behind nginx: %s", got)
	}
}

// TestProductionSite opens the page's page in a browser, at the site of the page.
func TestProductionSite(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes seconds to start")
	}
	chromium := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			chromium = path
			break
		}
	}
	if chromium == "" {
		needs(t, "chromium")
	}
	needs(t, "sh", "curl", "openssl", "tar")
	p := readProduction(t)
	m := newMachine(t)
	m.certify(t)
	m.run(t, "cd "+m.root+"/elsewhere")
	m.run(t, p.with(t, "sh", "make release"))
	m.run(t, "cd")
	for _, step := range []string{"apt-get", "key new shop"} {
		m.run(t, p.with(t, "sh", step))
	}
	configuration := p.with(t, "yaml", "# /etc/godwit/godwit.yaml")
	m.write(t, "etc/godwit/godwit.yaml", m.ports.Replace(strings.Replace(configuration, acmeSection, "  cert: /etc/godwit/cert.pem\n  key: /etc/godwit/key.pem\n", 1)))
	m.run(t, p.with(t, "sh", "config explain"))
	m.run(t, p.with(t, "sh", "enable --now"))

	// What the application signs: the first token does not count, as that of a page that
	// was asleep does not.
	makeToken := `godwit token make --user ann --subscribe 'chat/*' --publish 'chat/*' --config /etc/godwit/godwit.yaml`
	var mu sync.Mutex
	asked := 0
	token := strings.TrimSpace(m.run(t, makeToken))
	html := p.with(t, "html", "<title>Lobby</title>")
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/realtime-token" {
			_, _ = io.WriteString(w, html)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == 1 {
			_, _ = io.WriteString(w, token[:len(token)-4]+"AAAA")
			return
		}
		_, _ = io.WriteString(w, token)
	}))
	defer site.Close()

	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP live.example.com:443 127.0.0.1:%d,MAP example.com:443 %s", m.tls, site.Listener.Addr())),
		chromedp.UserDataDir(filepath.Join(m.root, "browser")))...)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*patience)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	defer func() { _ = chromedp.Cancel(ctx) }()
	sees := func(text string) {
		t.Helper()
		_, err := chromedp.Run(ctx, chromedp.Poll[bool](fmt.Sprintf(`document.body.innerText.includes(%q)`, text),
			chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience)))
		if err != nil {
			page, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("the page never shows %q: %v\n%s", text, err, page)
		}
	}
	publish := func(text string) {
		t.Helper()
		if got := m.run(t, `curl -sS -H "Authorization: Bearer $(sed -n 's/^key: //p' shop.key)" -d '`+text+`' https://live.example.com/channels/chat/lobby`); !strings.Contains(got, "position") {
			t.Fatal(got)
		}
	}
	publish("said before")
	if err := chromedp.Do(ctx, chromedp.Navigate("https://example.com/")); err != nil {
		t.Fatal(err)
	}
	sees("said before") // with the second token
	publish("said by the shop")
	sees("said by the shop")
	if err := chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("input[name=text]"), "said in the page\r")); err != nil {
		t.Fatal(err)
	}
	sees("said in the page")
	m.run(t, "systemctl restart godwit")
	publish("said after a restart")
	sees("said after a restart") // it has come back by itself
	mu.Lock()
	defer mu.Unlock()
	if asked < 3 {
		t.Errorf("the page asked %d times for a token, want one refused, one for the first server and one for the second", asked)
	}
}
