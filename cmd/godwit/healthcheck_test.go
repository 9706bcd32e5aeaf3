package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// A server that runs is healthy, a server that has gone is not.
func TestHealthcheck(t *testing.T) {
	t.Parallel()
	p, url := serve(t)
	for _, target := range []string{url, url + "/", url + "/readyz", url + "/healthz"} {
		r := do(t, "", "healthcheck", "--url", target)
		if r.code != exitOK || !strings.HasPrefix(r.out, "ok: "+url) || strings.Count(r.out, "\n") != 1 || r.errOut != "" {
			t.Errorf("%s: %+v", target, r)
		}
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	if r := do(t, "", "healthcheck", "--url", url); r.code != exitFailure || !strings.Contains(r.errOut, "cannot reach "+url+"/readyz") || strings.Count(r.errOut, "\n") != 1 {
		t.Errorf("a server that has gone: %+v", r)
	}
}

func TestHealthcheckAnswers(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/readyz":
		case "/hangs":
			select {
			case <-held:
			case <-r.Context().Done():
			}
		case "/moved":
			http.Redirect(w, r, "/readyz", http.StatusFound)
		default:
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"title":"The server is shutting down","detail":"send new requests\nto another"}`))
		}
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	defer close(held)
	secure := httptest.NewTLSServer(handler)
	defer secure.Close()
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &httptest.Server{Listener: ln, Config: &http.Server{Handler: handler}}
	local.Start()
	defer local.Close()
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--url", secure.URL}, exitOK, "ok: https://127.0.0.1:"},
		{[]string{"--url", "unix:" + socket}, exitOK, "ok: unix:" + socket + " says that it can serve\n"},
		{[]string{"--url", "unix://" + socket}, exitOK, "ok: unix:"},
		{[]string{"--url", "unix:" + socket + "-not"}, exitFailure, "godwit: cannot reach unix:" + socket + "-not"},
		{[]string{"--url", plain.URL + "/draining"}, exitFailure, "godwit: The server is shutting down: send new requests; to another (503)\n"},
		{[]string{"--url", plain.URL + "/moved"}, exitFailure, "302"},
		{[]string{"--url", plain.URL + "/hangs?token=hunter2", "--timeout", "100ms"}, exitFailure, "/hangs?token=... within 100ms\n"},
		{[]string{"--url", "127.0.0.1:8000"}, exitUsage, "is not a URL to ask; write for example http://127.0.0.1:8000/readyz"},
		{[]string{"--url", "unix:"}, exitUsage, "names no socket"},
		{[]string{"--timeout", "0s"}, exitUsage, "--timeout: 0s is not a time to wait"},
		{[]string{"--timeout", "-1s"}, exitUsage, "is not a time to wait"},
		{[]string{"now"}, exitUsage, `"now" is one argument too many`},
	} {
		r := do(t, "", append([]string{"healthcheck"}, row.args...)...)
		said := r.out + r.errOut
		if r.code != row.code || !strings.Contains(said, row.says) || strings.Count(said, "\n") != 1 || strings.Contains(said, "hunter2") {
			t.Errorf("%q: %+v, want %d %q", row.args, r, row.code, row.says)
		}
	}
}
