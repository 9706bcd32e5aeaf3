package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/server/identity"
)

// flagValues are what a shell offers for flags that take one of a few words. The
// first is the default.
var flagValues = map[string][]string{
	"godwit serve --driver":          {driverEngine, driverGoroutine},
	"godwit serve --log-level":       {"debug", "info", "warn", "error"},
	"godwit serve --log-format":      {"text", "json"},
	"godwit echo --driver":           {driverEngine, driverGoroutine},
	"godwit pub --content-type":      {"text/plain", "text/html", "application/json", "application/octet-stream"},
	"godwit plan --broker":           {"memory", "disk", "redis", "nats"},
	"godwit token make --alg":        identity.Algorithms(),
	"godwit bench echo --find":       {string(loadgen.FindConnections), string(loadgen.FindRate)},
	"godwit bench fanout --find":     {string(loadgen.FindConnections), string(loadgen.FindRate)},
	"godwit bench handshakes --find": {string(loadgen.FindRate)},
	"godwit conform server --only":   conformGroups(),
	"godwit conform server --skip":   conformGroups(),
	"godwit conform client --only":   conformGroups(),
	"godwit conform client --skip":   conformGroups(),
}

// channelArgs are the commands whose arguments are channels, and how many of them, -1
// for any number; channelFlags the flags that have one.
var (
	channelArgs  = map[string]int{"godwit pub": 1, "godwit sub": -1}
	channelFlags = []string{"godwit explain --channel"}
)

func conformGroups() []string {
	var names []string
	for _, g := range conformance.Groups() {
		names = append(names, g.Name)
	}
	return names
}

// complete says of cmd and all below it what a shell may offer. By default that
// would be the files of the current folder, for a channel as for a number.
func complete(cmd *cobra.Command) {
	if most, has := channelArgs[cmd.CommandPath()]; has {
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if most >= 0 && len(args) >= most {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offerChannels(cmd, args, begun)
		}
	}
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		values := flagValues[cmd.CommandPath()+" --"+f.Name]
		if f.NoOptDefVal != "" {
			values = []string{"true", "false"}
		}
		if usage, _ := pflag.UnquoteUsage(f); usage == "FILE" {
			return
		}
		if slices.Contains(channelFlags, cmd.CommandPath()+" --"+f.Name) {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, offerChannels)
			return
		}
		// It fails for a flag that is there twice, and then the first counts.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, offer(values))
	})
	for _, c := range cmd.Commands() {
		complete(c)
	}
}

// offer offers those of values that begin as the word under the cursor does, in
// their order.
func offer(values []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var fit []cobra.Completion
		for _, v := range values {
			if strings.HasPrefix(v, begun) {
				fit = append(fit, v)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// offerChannels offers the channels of the server that the flags and the environment
// name, if it says them soon. What was given already is left out.
func offerChannels(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	value := func(name string) string {
		if f := cmd.Flag(name); f != nil {
			return f.Value.String()
		}
		return ""
	}
	u, err := serverURL(value("server"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	token, err := bearer(value("token"))
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := listChannels(cmd.Context(), u, token)
	return offer(slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }))(cmd, args, begun)
}

// offerEndpoints offers the WebSockets of that server, for dial.
func offerEndpoints(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	u, err := serverURL("")
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var token string
	if f := cmd.Flag("token"); f != nil {
		token, _ = bearer(f.Value.String())
	}
	u.Scheme = "ws" + strings.TrimPrefix(u.Scheme, "http")
	urls := []string{u.JoinPath("connect").String()}
	for _, name := range listChannels(cmd.Context(), pageURL(u), token) {
		segments := strings.Split(name, "/")
		for i, segment := range segments {
			segments[i] = url.PathEscape(segment)
		}
		urls = append(urls, u.JoinPath("channels").String()+"/"+strings.Join(segments, "/")) // as it is: JoinPath would clean it
	}
	return offer(urls)(cmd, args, begun)
}
