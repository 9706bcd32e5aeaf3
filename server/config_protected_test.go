package server

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// Where clients have to identify themselves, other machines may reach the server.
func TestProtectedServersListenAnywhere(t *testing.T) {
	hookSecret := []Secret{{strings.Repeat("k", 32)}}
	for name, row := range map[string]struct {
		c           Config
		isProtected bool
	}{
		"nothing":            {Config{}, false},
		"empty lists":        {Config{Tokens: []TokenIssuer{}, Keys: []BackendKey{}}, false},
		"a hook for publish": {Config{Hooks: Hooks{Publish: ChannelHook{URL: "https://a.example/"}, Secrets: hookSecret}}, false},
		"channels":           {Config{Channels: []ChannelPolicy{{Match: pattern(t, "a"), Allow: []access.Action{access.Publish}}}}, false},
		"tokens":             {Config{Tokens: []TokenIssuer{{Secret: Secret{strings.Repeat("k", 32)}}}}, true},
		"keys":               {Config{Keys: []BackendKey{{Name: "a", Hash: "sha256:" + strings.Repeat("0", 64), Grants: access.All()}}}, true},
		"anonymous":          {Config{Anonymous: new(access.Grants)}, true},
		"a hook for connect": {Config{Hooks: Hooks{Connect: ConnectHook{URL: "https://a.example/"}, Secrets: hookSecret}}, true},
	} {
		if got := row.c.IsProtected(); got != row.isProtected {
			t.Errorf("%s: protected is %v", name, got)
		}
		log := new(logBuffer)
		row.c.Listen, row.c.Logger, row.c.Demo = []string{"0.0.0.0:0"}, log.logger(), new(false)
		s, err := New(row.c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err = s.Listen(t.Context())
		if (err == nil) != row.isProtected {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "configure tokens, keys or anonymous") {
				t.Errorf("%s: %v", name, err)
			}
			_ = s.Close()
			continue
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text := log.String(); !strings.Contains(text, "serving") || strings.Contains(text, "everyone who can reach") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

func TestServersListenAtSeveralAddresses(t *testing.T) {
	s, err := New(Config{Listen: []string{"127.0.0.1:0", "unix:" + t.TempDir() + "/s"}, Logger: new(logBuffer).logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(s.bound()); n != 2 || !s.Local() {
		t.Errorf("%d listeners, local is %v", n, s.Local())
	}

	// Those before one that cannot be had are given back.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	first := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := New(Config{Listen: []string{first, s.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Listen(t.Context()); err == nil {
		t.Fatal("it listens where another does")
	}
	again, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	_ = again.Close()
}

func pattern(t *testing.T, text string) access.Pattern {
	t.Helper()
	p, err := access.ParsePattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
