package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/identity"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make and explain tokens of clients",
		Long: `Token makes and explains tokens: JSON Web Tokens that say who a client is and what
it may. As a rule your application makes them, with any library for JWT.`,
		Example: `  TOKEN_SECRET=$(openssl rand -hex 32); export TOKEN_SECRET
  godwit token make --user ann --subscribe 'chat/*' --secret env:TOKEN_SECRET
  godwit token explain - --secret env:TOKEN_SECRET < token.txt`,
	}
	cmd.AddCommand(newTokenMake(), newTokenExplain())
	return cmd
}

// tokenMaker is what token make was asked for.
type tokenMaker struct {
	claims              identity.Claims
	grants              map[access.Action]*[]string
	info                string
	ttl                 time.Duration
	withoutExp          bool
	config, secret, key string
	algorithm, kid      string
}

func newTokenMake() *cobra.Command {
	m := tokenMaker{grants: make(map[access.Action]*[]string)}
	cmd := &cobra.Command{
		Use:   "make",
		Short: "Make a token",
		Long: `Make prints a token. It is signed with the secret of --secret, the private key of
--key, or the secret of the first of tokens in the configuration that has one,
whose issuer and audience it gets.`,
		Example: `  godwit token make --user ann --subscribe 'chat/*' --publish 'chat/*' --secret env:TOKEN_SECRET
  godwit token make --user ann --subscribe 'inbox/{user}' --ttl 24h --config godwit.yaml
  godwit token make --user ann --info '{"name":"Ann"}' --key file:private.pem --kid 2026-11`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := m.make(time.Now())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&m.claims.User, "user", "", "`NAME` of the user, the claim sub (default none)")
	does := map[access.Action]string{
		access.Subscribe: "receive what is published in", access.Publish: "publish in", access.Presence: "see who is in",
		access.History: "read the history of", access.Manage: "do everything in",
		access.Call: "call", access.Answer: "be given calls by others of, and answer,",
	}
	for _, a := range access.Actions() {
		what := "channels"
		if a.IsOfMethods() {
			what = "methods"
		}
		m.grants[a] = flags.StringArray(a.String(), nil, "may "+does[a]+" "+what+" that match `PATTERN`; may be repeated (default none)")
	}
	flags.StringVar(&m.info, "info", "", "`JSON` value that others may know of the user (default none)")
	flags.DurationVar(&m.ttl, "ttl", time.Hour, "`DURATION` until it ends")
	flags.BoolVar(&m.withoutExp, "without-exp", false, "it never ends; servers take that only if allow_without_exp says so (default false)")
	flags.StringVar(&m.claims.ID, "id", "", "`ID` of the token, the claim jti, by which it can be revoked (default a random one)")
	flags.StringVar(&m.claims.Issuer, "issuer", "", "`NAME` of the issuer, the claim iss (default that of the configuration)")
	flags.StringArrayVar(&m.claims.Audience, "audience", nil, "`NAME` of whom it is for, the claim aud; may be repeated (default that of the configuration)")
	configFlag(cmd, &m.config)
	flags.StringVar(&m.secret, "secret", "", "sign with a secret: `WHERE` is env:NAME or file:PATH (default that of the configuration)")
	flags.StringVar(&m.key, "key", "", "sign with a private key in PEM: `WHERE` is file:PATH or env:NAME (default none)")
	flags.StringVar(&m.algorithm, "alg", "", "sign with `ALGORITHM` (default HS256 with a secret, RS256 with an RSA key, else the only one of the key)")
	flags.StringVar(&m.kid, "kid", "", "`ID` of the key, for servers with several (default none)")
	return cmd
}

func (m *tokenMaker) make(now time.Time) (string, error) {
	patterns := make(map[string][]string)
	for a, texts := range m.grants {
		if len(*texts) > 0 {
			patterns[a.String()] = *texts
		}
	}
	var err error
	for name, texts := range patterns { // one by one, so that the error names the flag
		if _, err = grantsOf("--"+name, map[string][]string{name: texts}); err != nil {
			return "", err
		}
	}
	if m.claims.Grants, err = grantsOf("the grants", patterns); err != nil {
		return "", err
	}
	switch {
	case m.info != "" && !json.Valid([]byte(m.info)):
		return "", usagef(`--info: %q is not JSON; write for example '{"name":"Ann"}', and text in double quotes`, m.info)
	case m.ttl < time.Second:
		return "", usagef("--ttl: %v is no time that a token can be valid; write for example 1h", m.ttl)
	}
	if m.info != "" {
		m.claims.Info = json.RawMessage(m.info)
	}
	if m.claims.ID == "" {
		m.claims.ID = rand.Text()
	}
	m.claims.IssuedAt = now
	if !m.withoutExp {
		m.claims.Expires = now.Add(m.ttl)
	}
	signer, err := m.signer()
	if err != nil {
		return "", err
	}
	if m.kid != "" {
		signer = signer.WithKeyID(m.kid)
	}
	text, err := signer.Sign(&m.claims)
	if err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "identity: "))
	}
	return text, nil
}

func (m *tokenMaker) signer() (s *identity.Signer, err error) {
	var b []byte
	switch {
	case m.secret != "" && m.key != "":
		return nil, usagef("--secret and --key exclude each other")
	case m.key != "":
		if b, err = referred("--key", m.key); err == nil {
			s, err = identity.NewPEMSigner(b, m.algorithm)
		}
	case m.secret != "":
		if b, err = referred("--secret", m.secret); err == nil {
			s, err = identity.NewSigner(b, m.algorithm)
		}
	default:
		if b, err = m.configured(); err == nil {
			s, err = identity.NewSigner(b, m.algorithm)
		}
	}
	var usage *usageError
	var setting *server.SettingError
	if err != nil && !errors.As(err, &usage) && !errors.As(err, &setting) {
		return nil, usagef("%s", strings.TrimPrefix(err.Error(), "identity: "))
	}
	return s, err
}

// configured is the secret of the configuration, whose issuer and audience the token
// gets.
func (m *tokenMaker) configured() ([]byte, error) {
	c, err := server.Load(m.config, os.Environ(), nil)
	if err != nil {
		return nil, err
	}
	for i, t := range c.Tokens {
		if t.Secret.IsZero() || m.claims.Issuer != "" && t.Issuer != "" && t.Issuer != m.claims.Issuer {
			continue
		}
		if m.claims.Issuer == "" {
			m.claims.Issuer = t.Issuer
		}
		if m.claims.Audience == nil && t.Audience != "" {
			m.claims.Audience = []string{t.Audience}
		}
		b, err := t.Secret.Resolve()
		if err != nil {
			return nil, usagef("tokens[%d].secret: %v", i, err)
		}
		return b, nil
	}
	if len(c.Tokens) > 0 {
		return nil, usagef("tokens of the configuration has no secret to sign with; --key is for the private key of whoever signs")
	}
	return nil, usagef("there is nothing to sign with; give --secret env:NAME, --key file:PATH or --config FILE")
}

func newTokenExplain() *cobra.Command {
	var t trust
	cmd := &cobra.Command{
		Use:   "explain TOKEN",
		Short: "Say what a token is, and whether it counts",
		Long: `Explain shows what TOKEN says, which key has verified it, whom it stands for and what
they may, or exactly why it does not count. A TOKEN of - is read from standard
input, which keeps it out of the history of the shell. The key of a back end is
explained, too.

Without a configuration or a key nothing is verified, and it says so. The exit
status is 1 if the token does not count.`,
		Example: `  godwit token explain - --config godwit.yaml < token.txt
  godwit token explain "$token" --secret env:TOKEN_SECRET
  godwit token explain "$token" --jwks https://issuer.example/.well-known/jwks.json`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := tokenFrom(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			_, ids, err := t.load()
			if err != nil {
				return err
			}
			defer ids.Close()
			now := time.Now()
			f := ids.Check(cmd.Context(), text, now)
			if err := printFinding(cmd.OutOrStdout(), f, ids.IsOpen(), now); err != nil {
				return err
			}
			if f.Identity == nil && (!ids.IsOpen() || f.Claims == nil) {
				return errors.New("it does not count: " + f.Reason)
			}
			return nil
		},
	}
	t.flags(cmd)
	return cmd
}

// printFinding prints what was found about a token at the moment now. With nothing
// that could verify it, isOpen, it says only that.
func printFinding(out io.Writer, f *identity.Finding, isOpen bool, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	printFields(w, "Header", f.Header, now)
	printFields(w, "Claims", f.Claims, now)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, visible(value))
		}
	}
	by := f.Key
	if f.Issuer != "" {
		by = f.Issuer + ", " + f.Key
	}
	switch id := f.Identity; {
	case id != nil:
		fmt.Fprintln(w, "It counts")
		row("verified by", by)
		printIdentity(row, id, now)
	case isOpen && f.Claims != nil:
		fmt.Fprintln(w, "It was not verified")
		row("because", "no key was given; --config, --secret, --key or --jwks says by what")
	default:
		fmt.Fprintln(w, "It does not count")
		row("because", f.Reason)
		row("in detail", f.Detail)
		row("signed by", by)
	}
	if len(f.Ignored) > 0 {
		row("ignored", strings.Join(f.Ignored, ", ")+" of the header: keys come from the configuration alone")
	}
	return w.Flush()
}

func printIdentity(row func(name, value string), id *access.Identity, now time.Time) {
	row("it is", id.String())
	row("may", id.Grants.String())
	row("others know", string(id.Info))
	switch {
	case id.Kind != access.Token:
	case id.Expires.IsZero():
		row("until", "for ever")
	default:
		until := moment(id.Expires, now)
		if id.Expires.Before(now) {
			until += fmt.Sprintf("; it is still taken for the %v by which clocks may differ", identity.DefaultSkew)
		}
		row("until", until)
	}
}

// printFields prints the members of a part of a token.
func printFields(w io.Writer, title string, fields map[string]json.RawMessage, now time.Time) {
	if fields == nil {
		return
	}
	fmt.Fprintln(w, title)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var compact bytes.Buffer
		value := string(fields[name])
		if json.Compact(&compact, fields[name]) == nil {
			value = compact.String()
		}
		if slices.Contains([]string{"exp", "nbf", "iat"}, name) {
			if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 && seconds < 1e11 {
				value += ", " + moment(time.Unix(int64(seconds), 0), now)
			}
		}
		fmt.Fprintf(w, "  %s\t%s\n", visible(name), visible(value))
	}
}

// moment is when something is, and how far from now.
func moment(t, now time.Time) string {
	far := t.Sub(now).Round(time.Second)
	if far < 0 {
		return fmt.Sprintf("%s, %v ago", t.UTC().Format(time.RFC3339), -far)
	}
	return fmt.Sprintf("%s, in %v", t.UTC().Format(time.RFC3339), far)
}
