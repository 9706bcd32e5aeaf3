package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration of a server",
		Long: `Config says what a configuration is and whether it can be used, without running
the server. It reads the file of --config and the environment, as serve does.`,
		Example: `  godwit config check --config godwit.yaml
  godwit config print --config godwit.yaml
  godwit config explain scores/final --config godwit.yaml
  godwit config schema > godwit.schema.json`,
	}
	cmd.AddCommand(newConfigCheck(), newConfigPrint(), newConfigExplain(), newConfigSchema())
	return cmd
}

func newConfigCheck() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say whether the configuration can be used",
		Long: `Check says "ok", or everything that is wrong, a line each, with the place and what
would be right. It looks secrets and files of keys up, too, so that it is best run
as the user of the server, and asks nobody over the network.

What can be used, but is probably not meant, is a warning. The exit status is 0
without errors, also when there are warnings, and 2 otherwise.`,
		Example: `  godwit config check --config godwit.yaml
  GODWIT_HISTORY_COUNT=500 godwit config check`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := server.Examine(file, os.Environ(), nil)
			e.LookUp()
			for _, w := range e.Warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "godwit: warning: %s\n", oneLine(w))
			}
			if err := examined(cmd, e); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "ok")
			return err
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newConfigPrint() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the whole configuration and where each value comes from",
		Long: `Print prints the configuration that is in effect, with the defaults, as YAML that
can be used as a file. A comment behind each value says where it was set. Secrets
are shown as references, or not at all.`,
		Example: `  godwit config print
  godwit config print --config godwit.yaml | grep -v '# default'`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := server.Examine(file, os.Environ(), nil)
			if err := examined(cmd, e); err != nil {
				return err
			}
			return e.Print(cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newConfigExplain() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "explain CHANNEL",
		Short: "Show how a channel behaves and which setting says so",
		Long: `Explain shows the policy of a channel: which section of channels counts, which is
the first that matches, where each value comes from, and which bridges publish there.`,
		Example: `  godwit config explain scores/final --config godwit.yaml`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := hub.CheckChannel(args[0]); err != nil {
				return usagef("%v", err)
			}
			e := server.Examine(file, os.Environ(), nil)
			if err := examined(cmd, e); err != nil {
				return err
			}
			rule, settings := e.Explain(args[0])
			fmt.Fprintln(cmd.OutOrStdout(), visible(rule))
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, s := range settings {
				fmt.Fprintf(w, "  %s\t%s\t%s\n", s.Key, visible(s.Value), visible(s.Source))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			for _, feed := range e.Feeds(args[0]) {
				fmt.Fprintln(cmd.OutOrStdout(), "fed by", visible(feed))
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of configuration files",
		Long: `Schema prints the JSON Schema of configuration files, with which an editor knows the
settings, completes them and marks what is wrong. Editors with the YAML language
server take it from the first line of a file:

  # yaml-language-server: $schema=godwit.schema.json`,
		Example: `  godwit config schema > godwit.schema.json`,
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(server.Schema())
			return err
		},
	}
}

func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().Var((*fileName)(file), "config", "file with settings, YAML or JSON (default none)")
}

// examined is the error for a configuration that cannot be used. Of several, all
// are printed, and the error says how many they were.
func examined(cmd *cobra.Command, e *server.Examination) error {
	switch len(e.Errors) {
	case 0:
		return nil
	case 1:
		return e.Errors[0]
	}
	for _, err := range e.Errors {
		fmt.Fprintf(cmd.ErrOrStderr(), "godwit: %s\n", oneLine(err.Error()))
	}
	return usagef("%d errors in the configuration", len(e.Errors))
}
