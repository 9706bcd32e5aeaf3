package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/ws"
)

// seenServer sends each client what it has seen of it: the field Authorization, and
// whether it shows a certificate.
func seenServer(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		return
	}
	text := r.Host + " " + r.Header.Get("Authorization")
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		text += " certificate"
	}
	_ = conn.Write(r.Context(), ws.MessageText, []byte(text))
	_ = conn.Close(ws.StatusNormal, "")
}

// Each server is shown the credentials that are meant for it.
func TestDialAuthorization(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(seenServer))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(file, []byte("ann:pw"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DIAL_TEST_TOKEN", "from-env")
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	for _, c := range []struct{ env, server, url, flags, want string }{
		{"", "", url, "", ""},
		{"", "", url, "--token abc", "Bearer abc"},
		{"", "", url, "--token env:DIAL_TEST_TOKEN", "Bearer from-env"},
		{"", "", url, "--user ann:pw", "Basic YW5uOnB3"},
		{"", "", url, "--user file:" + file, "Basic YW5uOnB3"},
		{"", "", strings.Replace(url, "//", "//ann:pw@", 1), "", "Basic YW5uOnB3"},
		{"", "", url, "-H Authorization:x --token abc", "x"},
		{"mine", s.URL, url, "", "Bearer mine"}, // the server that the environment names
		{"mine", s.URL, url, "--token abc", "Bearer abc"},
		{"mine", s.URL, strings.Replace(url, "//", "//ann:pw@", 1), "", "Basic YW5uOnB3"},
		{"mine", "", url, "", ""}, // a stranger
		{"mine", strings.Replace(s.URL, "http:", "https:", 1), url, "", ""},
	} {
		t.Setenv(bearerEnv, c.env)
		t.Setenv(serverEnv, c.server)
		r := do(t, "", append([]string{"dial", c.url}, splitFlags(c.flags)...)...)
		if _, got, _ := strings.Cut(strings.TrimSuffix(r.out, "\n"), " "); got != c.want || r.code != exitOK {
			t.Errorf("%s at %s, %s: %d %q, want %q; %s", c.env, c.server, c.flags, r.code, got, c.want, r.errOut)
		}
	}
}

func TestDialTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(seenServer))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	defer s.Close()
	dir := t.TempDir()
	write := func(name, typ string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: b}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := write("cert.pem", "CERTIFICATE", s.Certificate().Raw), write("key.pem", "PRIVATE KEY", b)
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	for _, c := range []struct {
		flags string
		code  int
		want  string
	}{
		{"", exitFailure, "cannot connect: "},
		{"--insecure", exitOK, ""},
		{"--ca " + cert, exitOK, ""},
		{"--ca " + os.Args[0], exitUsage, "--ca: there is no certificate in PEM in "},
		{"--ca /nowhere", exitFailure, "--ca: open /nowhere: "},
		{"--cert " + cert, exitUsage, "--cert, --key: found a certificate rather than a key"},
		{"--key " + cert, exitUsage, "--key belongs to a --cert"},
		{"--ca " + cert + " --cert " + cert + " --key " + key, exitOK, "certificate"},
	} {
		r := do(t, "", append([]string{"dial", url}, splitFlags(c.flags)...)...)
		if c.code == exitOK && strings.Contains(r.out, "certificate") != (c.want != "") {
			t.Errorf("%s: %s", c.flags, r.out)
			continue
		}
		if c.code == exitOK {
			c.want = ""
		}
		if r.code != c.code || !strings.Contains(r.errOut, c.want) || (r.out != "") != (c.code == exitOK) {
			t.Errorf("%s: %+v", c.flags, r)
		}
	}
}

func TestDialUnix(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "") // a name of t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip("there are no Unix sockets here: ", err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(seenServer))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	defer s.Close()
	if r := do(t, "", "dial", "ws://app.example/", "--unix", path); r.code != exitOK || r.out != "app.example \n" {
		t.Errorf("%+v", r)
	}
	if r := do(t, "", "dial", "ws://app.example/", "--unix", path+"x"); r.code != exitFailure || !strings.Contains(r.errOut, "cannot connect: ") {
		t.Errorf("%+v", r)
	}
}

// With --again the connection comes back until there is enough, or the server says that
// it should not.
func TestDialAgain(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the pauses between attempts are drawn, up to a second")
	}
	var tries, hellos atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) == 2 && r.URL.Path == "/" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		if _, message, err := conn.Read(r.Context()); err == nil && string(message) == "hello" {
			hellos.Add(1)
			_ = conn.Write(r.Context(), ws.MessageText, []byte("welcome"))
		}
		code := ws.StatusCode(1012)
		if r.URL.Path == "/policy" {
			code = 1008
		}
		_ = conn.Close(code, "")
	}))
	defer s.Close()
	r := do(t, "", "dial", s.URL, "--again", "-x", "hello", "-n", "3")
	if r.code != exitOK || r.out != strings.Repeat("welcome\n", 3) || hellos.Load() != 3 || tries.Load() != 4 {
		t.Errorf("%d hellos in %d tries: %+v", hellos.Load(), tries.Load(), r)
	}
	again := regexp.MustCompile(`\* connecting again in \S+\n`)
	if n := len(again.FindAllString(r.errOut, -1)); n != 3 || !strings.Contains(r.errOut, "closed: 1012") || !strings.Contains(r.errOut, "* cannot connect: ") {
		t.Errorf("%d times it connects again:\n%s", n, r.errOut)
	}
	r = do(t, "", "dial", s.URL+"/policy", "--again", "-x", "hello")
	if r.code != exitFailure || r.out != "welcome\n" || strings.Contains(r.errOut, "connecting again") {
		t.Errorf("%+v", r)
	}
	r = do(t, "", "dial", "ws://127.0.0.1:1", "--again", "--for", "300ms", "-n", "1")
	if r.code != exitFailure || !strings.Contains(r.errOut, "connecting again") || !strings.HasSuffix(r.errOut, "godwit: 0 of 1 messages came\n") {
		t.Errorf("%+v", r)
	}
}
