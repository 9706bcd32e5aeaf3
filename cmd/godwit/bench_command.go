package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/server"
)

// benchWorkloads is how bench is called without one of its subcommands. It parses
// no flags, as "--help" would otherwise be answered before it is seen that the
// workload does not exist.
func benchWorkloads(cmd *cobra.Command, args []string) error {
	names := make([]string, 0, len(cmd.Commands()))
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	for _, arg := range args {
		switch {
		case arg == "-h" || arg == "--help":
			return cmd.Help()
		case strings.HasPrefix(arg, "-") && arg != "-" && arg != "--":
			return usagef("%s comes before the workload; write for example godwit bench %s URL %s", arg, names[0], arg)
		}
		hint := "there are " + strings.Join(names, ", ")
		if near := cmd.SuggestionsFor(arg); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
		}
		return usagef("there is no workload %q; %s", shown(arg), hint)
	}
	return cmd.Help()
}

// producerOf says which program made a report, and how.
func producerOf(cmd *cobra.Command, args []string) *loadgen.Producer {
	build := server.ThisBuild()
	version := build.Version
	if build.Revision != "" {
		version += " " + build.Revision
		if build.Modified {
			version += " (modified)"
		}
	}
	return &loadgen.Producer{Name: "godwit bench", Version: version, Platform: build.Go + " " + build.Platform, Command: commandLine(cmd, args)}
}

// commandLine is how a command was called, as it can be typed again, without what
// is secret. Reports are passed on.
func commandLine(cmd *cobra.Command, args []string) string {
	words := []string{cmd.CommandPath()}
	for _, arg := range args {
		words = append(words, shellWord(redact.Text(arg)))
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			switch {
			case f.Name == "header" || strings.HasSuffix(f.Name, "-header"):
				v = hideInField(v)
			case strings.HasSuffix(f.Name, "url") || f.Name == "metrics":
				v = redact.Text(v)
			}
			if f.NoOptDefVal != "" && v == f.NoOptDefVal {
				words = append(words, "--"+f.Name)
			} else if f.NoOptDefVal != "" {
				words = append(words, "--"+f.Name+"="+v)
			} else {
				words = append(words, "--"+f.Name, shellWord(v))
			}
		}
	})
	return strings.Join(words, " ")
}

// hideInField hides the value of a header field that may be a secret.
func hideInField(line string) string {
	name, _, _ := strings.Cut(line, ":")
	if redact.IsSecretName(name) || strings.EqualFold(strings.TrimSpace(name), "Cookie") {
		return name + ": " + redact.Hidden
	}
	return line
}

// shellWord quotes a word for a shell if it needs that.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"
	if s != "" && !slices.ContainsFunc([]rune(s), func(c rune) bool { return !strings.ContainsRune(plain, c) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
