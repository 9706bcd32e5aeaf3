//go:build !js

package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

// Errors end up in logs. Passwords and tokens in the URL, in where a server
// redirects to and in a proxy's URL are not in them, whatever is wrong; what is
// right about the URL is.
func TestDialErrorsHideSecrets(t *testing.T) {
	for target, want := range map[string]string{
		"ws://ada:hush@app.example:port/":           "ws://...",
		"ws://ada:hu/hush@app.example/":             "ws://...",
		"ws://ada:1/hush@app.example/":              "",
		"ws://ada:hush%@app.example/":               "ws://...",
		"ws://ada:hush @app.example/":               "ws://...",
		"ws://app.example/%zz?token=hush":           "ws://...",
		"ws://app.example/?token=hush\x00":          "ws://...",
		"ftp://ada:hush@app.example/?token=hush":    "ftp://ada:...@app.example/?token=...",
		"ws://ada:hush@/":                           "ws://ada:...@/",
		"ws://app.example/#access_token=hush":       "ws://app.example/#...",
		"ada:hush@app.example":                      "...",
		"app.example:80/?token=hush":                "...",
		"ws://app.example:port/":                    `invalid port ":port"`,
		"ws//app.example/chat":                      `got "ws//app.example/chat"`,
		"ws://ada:hush@app.example/?token=hush-too": "app.example",
	} {
		_, _, err := ws.Dial(background, target, &ws.DialOptions{Proxy: noProxy, NetDial: func(_ context.Context, _, address string) (net.Conn, error) {
			return nil, errors.New("no way to " + address)
		}})
		checkHidden(t, target, err, want)
	}
	for location, want := range map[string]string{
		"https://login.example/?ticket=hush":       "login.example/?ticket=...",
		"https://ada:hush@login.example/":          "https://ada:...@login.example/",
		"/login?next=hush-hush-hush":               "/login?next=...",
		"ftp://ada:hush@login.example/?token=hush": "ftp://ada:...@login.example",
		"http://ada:hush@login.example:port/":      "http://...",
	} {
		for _, most := range []int{ws.NoRedirects, 0} {
			_, _, err := dialScript(ws.DialOptions{RedirectsMax: most}, func(nc *wstest.Wire, _ string) {
				fmt.Fprintf(nc, "HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n", location)
				nc.Close()
			})
			if most == ws.NoRedirects || strings.HasPrefix(location, "ftp") {
				checkHidden(t, location, err, want)
			} else {
				checkHidden(t, location, err, "")
			}
		}
	}
	for _, proxy := range []func(*http.Request) (*url.URL, error){
		func(*http.Request) (*url.URL, error) {
			return nil, errors.New(`invalid proxy address "http://ada:hush@pro xy": no`)
		},
		func(*http.Request) (*url.URL, error) { return url.Parse("gopher://ada:hush@proxy.example") },
		func(*http.Request) (*url.URL, error) { return url.Parse("http://ada:hush@127.0.0.1:1") },
		func(*http.Request) (*url.URL, error) { return url.Parse("socks5://ada:hush@127.0.0.1:1") },
	} {
		_, _, err := ws.Dial(background, "ws://app.example/", &ws.DialOptions{Proxy: proxy})
		checkHidden(t, "proxy", err, "proxy")
	}
}

func checkHidden(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || strings.Contains(fmt.Sprintf("%+v", err), "hush") || !strings.Contains(err.Error(), want) {
		t.Errorf("%q: the error is %v, want %q in it", what, err, want)
	}
	for next := err; next != nil; next = errors.Unwrap(next) {
		if strings.Contains(next.Error(), "hush") {
			t.Errorf("%q: the error's chain has %v", what, next)
		}
	}
	if _, ok := errors.AsType[*url.Error](err); ok && what != "ws://app.example:port/" {
		t.Errorf("%q: the chain of %v has the URL", what, err)
	}
}
