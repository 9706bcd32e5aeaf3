package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newHelp is the help command. Cobra's shows the help of the parent for a command
// that does not exist, and ends with 0.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Long:  `Help shows the help of a command, as "godwit COMMAND --help" does.`,
		Example: `  godwit help serve
  godwit help conform server`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if found, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range found.Commands() {
					if (c.IsAvailableCommand() || c.Name() == "help") && strings.HasPrefix(c.Name(), begun) {
						names = append(names, c.Name()+"\t"+c.Short)
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(found, rest)
			}
			found.InitDefaultHelpFlag() // so that the flag is shown
			return found.Help()
		},
	}
}

// newGroup makes cmd, which has commands and does nothing itself, show its help, and
// name what a word could have meant that is none of them.
func newGroup(cmd *cobra.Command) *cobra.Command {
	// With a Run, an unknown command arrives in Args, where the error is ours.
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return noCommand(cmd, args)
	}
	return cmd
}

// noCommand is the error for a command that parent does not have.
func noCommand(parent *cobra.Command, words []string) error {
	path := strings.TrimPrefix(parent.CommandPath()+" ", parent.Root().Name()+" ")
	hint := fmt.Sprintf("%q lists them all", parent.CommandPath()+" --help")
	if !parent.HasAvailableSubCommands() {
		hint = fmt.Sprintf("%q says what there is", parent.CommandPath()+" --help")
	}
	if near := parent.SuggestionsFor(words[0]); len(near) > 0 {
		for i, name := range near {
			near[i] = path + name
		}
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("there is no command %q; %s", path+shown(words[0]), hint)
}
