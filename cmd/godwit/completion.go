package main

import (
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
