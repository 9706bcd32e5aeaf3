package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/server"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print which build this is",
		Example: `  godwit version
  godwit version --json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				line, err := json.Marshal(server.ThisBuild())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", line)
				return err
			}
			return printVersion(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object (default false)")
	return cmd
}

func printVersion(w io.Writer) error {
	b := server.ThisBuild()
	text := "godwit " + b.Version
	if b.Revision != "" {
		text += " " + b.Revision
		if b.Modified {
			text += " (modified)"
		}
	}
	_, err := fmt.Fprintf(w, "%s %s %s\n", text, b.Go, b.Platform)
	return err
}
