package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/server"
)

// serverEnv names the server for pub and sub.
const serverEnv = "GODWIT_SERVER"

const serverDefault = "http://127.0.0.1:8000"

// serverFlag adds --server.
func serverFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "server", "", "`URL` of the server (default $"+serverEnv+", or else "+serverDefault+")")
}

// bearerEnv has the token or key for pub and sub.
const bearerEnv = "GODWIT_BEARER"

// tokenFlag adds --token.
func tokenFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "token", "", "`TOKEN` or key to show to the server: itself, or env:NAME or file:PATH where others must not see it (default $"+bearerEnv+")")
}

// bearer is the token that the flag or the environment names, "" for none.
func bearer(token string) (string, error) {
	name := "--token"
	if token == "" {
		name, token = bearerEnv, os.Getenv(bearerEnv)
	}
	if token == "" {
		return "", nil
	}
	secret, err := server.ParseSecret(token)
	if err != nil {
		return "", usagef("%s: %v", name, err)
	}
	b, err := secret.Resolve()
	if err != nil {
		return "", usagef("%s: %v", name, err)
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return "", usagef("%s: this is no token or key: it has a character that neither has", name)
		}
	}
	return string(b), nil
}

// serverURL is the URL of the server that the flag, the environment or the default names.
func serverURL(base string) (*url.URL, error) {
	name := "--server"
	if base == "" {
		name, base = serverEnv, os.Getenv(serverEnv)
	}
	if base == "" {
		base = serverDefault
	}
	u, err := url.Parse(base)
	if err == nil {
		switch u.Scheme {
		case "ws":
			u.Scheme = "http"
		case "wss":
			u.Scheme = "https"
		}
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, usagef("%s: %q is not the URL of a server; write for example %s", name, redact.Text(base), serverDefault)
	}
	return u, nil
}

// refusalBytesMax is how much of a refusal is read.
const refusalBytesMax = 64 << 10

// refusal makes an error of a response that is none of those hoped for.
func refusal(r *http.Response) error {
	if problem := client.ReadProblem(r); problem != nil {
		return fmt.Errorf("%w (%d)", problem, r.StatusCode)
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, refusalBytesMax))
	text := strings.TrimSpace(string(body))
	if len(text) > 200 || strings.HasPrefix(text, "<") {
		text = "" // a page, for a browser
	}
	if text != "" {
		text = ": " + text
	}
	return fmt.Errorf("the server answered %d %s%s", r.StatusCode, http.StatusText(r.StatusCode), text)
}

// unreachable makes an error of a request that got no answer.
func unreachable(u *url.URL, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
		if ue.Timeout() {
			return fmt.Errorf("no answer from %s in time", origin(u))
		}
	}
	return fmt.Errorf("cannot reach %s: %w", origin(u), cause(err))
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
