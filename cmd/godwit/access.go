package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/identity"
)

func newAccess() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "access",
		Short: "Explain who may do what",
		Long:  `Access explains what a server of a configuration lets clients do.`,
		Example: `  godwit access explain --config godwit.yaml subscribe public/news
  godwit access explain --config godwit.yaml --token - publish chat/lobby < token.txt`,
	}
	cmd.AddCommand(newAccessExplain())
	return cmd
}

func newAccessExplain() *cobra.Command {
	var t trust
	var token string
	cmd := &cobra.Command{
		Use:   "explain ACTION CHANNEL",
		Short: "Say whether a client may do something in a channel, and which rule decides",
		Long: `Explain says whether the holder of a token, or of the key of a back end, may do
ACTION in CHANNEL, and which rule decides that. Without --token it is a client
that shows nothing. ACTION is one of
` + actionNames() + `.
For call and answer CHANNEL is the name of a method.

What the application says when it is asked (hooks) is not known here; it says where
that comes on top. The exit status is 1 if it is denied.`,
		Example: `  godwit access explain --config godwit.yaml subscribe public/news
  godwit access explain --config godwit.yaml --token "$token" publish chat/lobby
  godwit access explain --secret env:TOKEN_SECRET --token - subscribe chat/lobby < token.txt`,
		Args: arguments(2, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(strings.Split(actionNames(), ", "))(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			action, err := access.ParseAction(args[0])
			if err != nil {
				return usagef("%s", strings.TrimPrefix(err.Error(), "access: "))
			}
			if err := hub.CheckChannel(args[1]); err != nil {
				return usagef("%s", strings.TrimPrefix(err.Error(), "hub: "))
			}
			if cmd.Flags().Changed("token") {
				if token, err = tokenFrom(cmd.InOrStdin(), token); err != nil {
					return err
				}
			}
			c, ids, err := t.load()
			if err != nil {
				return err
			}
			defer ids.Close()
			return explainAccess(cmd.Context(), cmd.OutOrStdout(), &c, ids, token, action, args[1])
		},
	}
	cmd.Flags().StringVar(&token, "token", "", "`TOKEN` or key of the client; - reads it from standard input (default none: an anonymous client)")
	t.flags(cmd)
	return cmd
}

func actionNames() string {
	var names []string
	for _, a := range access.Actions() {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

// explainAccess prints the decision and what it is made of. The error says that it
// was denied.
func explainAccess(ctx context.Context, out io.Writer, c *server.Config, ids *identity.Identities, token string, a access.Action, channel string) error {
	now := time.Now()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, visible(value))
		}
	}
	id := access.Everybody
	verifiedBy := ""
	switch {
	case ids.IsOpen():
	case token == "":
		id = ids.Anonymous()
	default:
		f := ids.Check(ctx, token, now)
		if f.Identity == nil {
			fmt.Fprintln(w, "denied: "+visible(f.Reason))
			row("in detail", f.Detail)
			if err := w.Flush(); err != nil {
				return err
			}
			return errors.New("the token does not count, and a client that shows it is refused")
		}
		id, verifiedBy = f.Identity, f.Issuer+", "+f.Key
	}
	d := access.Decide(id, c.RulesOf(channel), a, channel)
	fmt.Fprintln(w, visible(d.String()))
	if id.Kind != access.Open {
		row("verified by", verifiedBy)
		printIdentity(row, id, now)
		if !a.IsOfMethods() {
			row("the channel", rulesText(c.RulesOf(channel)))
		}
	}
	for _, text := range hooksAsked(c, a, channel) {
		row("on top", text)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !d.Allowed {
		return errors.New(d.Missing())
	}
	return nil
}

// rulesText says what everybody may do in a channel.
func rulesText(r *access.Rules) string {
	switch {
	case r == nil:
		return "no section of channels matches it, so everything needs a grant"
	case len(r.Allowed) == 0:
		return r.Source + ": everything needs a grant"
	}
	var names []string
	for _, a := range r.Allowed {
		names = append(names, a.String())
	}
	return r.Source + ": needs no grant to " + strings.Join(names, ", ")
}

// hooksAsked says when the application is asked about it, too.
func hooksAsked(c *server.Config, a access.Action, channel string) (texts []string) {
	if c.Hooks.Connect.URL != "" {
		texts = append(texts, "the application is asked when a client connects (hooks.connect), and says who it is")
	}
	if rpc := &c.Hooks.RPC; a == access.Call && rpc.URL != "" {
		matches := func(p access.Pattern) bool { return p.Matches(channel, "") }
		if len(rpc.Methods) == 0 || slices.ContainsFunc(rpc.Methods, matches) {
			texts = append(texts, "the application answers it (hooks.rpc)")
		}
	}
	for name, h := range map[string]struct {
		hook *server.ChannelHook
		of   access.Action
	}{"hooks.subscribe": {&c.Hooks.Subscribe, access.Subscribe}, "hooks.publish": {&c.Hooks.Publish, access.Publish}} {
		matches := func(p access.Pattern) bool { return p.Matches(channel, "") }
		if h.of == a && h.hook.URL != "" && (len(h.hook.Channels) == 0 || slices.ContainsFunc(h.hook.Channels, matches)) {
			texts = append(texts, "the application is asked each time ("+name+"), and can deny it")
		}
	}
	return texts
}
