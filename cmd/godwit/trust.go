package main

import (
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/identity"
)

// trust is by what a command verifies tokens: what a server is configured with, or
// one key.
type trust struct {
	config, secret, key, jwks string
}

func (t *trust) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	configFlag(cmd, &t.config)
	flags.StringVar(&t.secret, "secret", "", "verify with a secret instead: `WHERE` is env:NAME or file:PATH (default none)")
	flags.StringVar(&t.key, "key", "", "verify with a public key or a certificate in PEM instead: `WHERE` is file:PATH or env:NAME (default none)")
	flags.StringVar(&t.jwks, "jwks", "", "verify with a set of keys instead: `WHERE` is its URL or file:PATH (default none)")
}

// isGiven reports whether a flag says by what to verify.
func (t *trust) isGiven() bool { return t.secret != "" || t.key != "" || t.jwks != "" }

// load returns the configuration, and what it trusts, which has to be closed.
func (t *trust) load() (c server.Config, ids *identity.Identities, err error) {
	given := 0
	for _, text := range []string{t.config, t.secret, t.key, t.jwks} {
		if text != "" {
			given++
		}
	}
	if given > 1 {
		return c, nil, usagef("--config, --secret, --key and --jwks exclude each other")
	}
	log := slog.New(slog.DiscardHandler) // everything that matters is in the explanation
	if !t.isGiven() {
		if c, err = server.Load(t.config, os.Environ(), nil); err != nil {
			return c, nil, err
		}
		ids, err = c.Identities(log)
		return c, ids, err
	}
	if c, err = server.Load("", nil, nil); err != nil {
		return c, nil, err
	}
	issuer := identity.Issuer{Source: "--secret"}
	path, isFile := strings.CutPrefix(t.jwks, "file:")
	switch {
	case t.secret != "":
		issuer.Secret, err = referred("--secret", t.secret)
	case t.key != "":
		issuer.Source = "--key"
		issuer.PEM, err = referred("--key", t.key)
	case isFile:
		issuer.Source = "--jwks"
		issuer.JWKS, err = os.ReadFile(path)
	default:
		issuer.Source, issuer.JWKSURL = "--jwks", t.jwks
	}
	if err != nil {
		return c, nil, err
	}
	ids, err = identity.New(&identity.Options{Issuers: []identity.Issuer{issuer}, Logger: log})
	if err != nil {
		return c, nil, usagef("%s", strings.TrimPrefix(err.Error(), "identity: "))
	}
	return c, ids, nil
}

// referred is the secret that a flag refers to. A secret that stands there itself is not
// taken: everybody on the machine can read command lines.
func referred(flag, text string) ([]byte, error) {
	s, err := server.ParseSecret(text)
	switch {
	case err != nil:
		return nil, usagef("%s: %v", flag, err)
	case s.IsLiteral():
		return nil, usagef("%s: write env:NAME or file:PATH; others can read what stands on a command line", flag)
	}
	b, err := s.Resolve()
	if err != nil {
		return nil, usagef("%s: %v", flag, err)
	}
	return b, nil
}

// tokenInputMax is how much of standard input may be a token.
const tokenInputMax = 64 << 10

// tokenFrom is the token that an argument is, or standard input for "-".
func tokenFrom(in io.Reader, arg string) (string, error) {
	if arg == "-" {
		b, err := io.ReadAll(io.LimitReader(in, tokenInputMax))
		if err != nil {
			return "", err
		}
		arg = string(b)
	}
	arg = strings.TrimSpace(arg)
	if scheme, rest, ok := strings.Cut(arg, " "); ok && strings.EqualFold(scheme, "Bearer") {
		arg = strings.TrimSpace(rest) // as it is copied from a header
	}
	if arg == "" {
		return "", usagef("there is no token; give it as an argument, or on standard input and - as the argument")
	}
	return arg, nil
}
