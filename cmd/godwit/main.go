package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/server"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // it could not be done
	exitUsage   = 2 // it could not be understood: a flag, an argument, a setting
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command. The first SIGINT or SIGTERM ends its context; after that
// signals do what they do by default, so that a second one ends the process at
// once.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errOut, "godwit: %s\n", oneLine(err.Error()))
	var usage *usageError
	var setting *server.SettingError
	if errors.As(err, &usage) || errors.As(err, &setting) {
		return exitUsage
	}
	return exitFailure
}

// usageError is a command line that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func newRoot() *cobra.Command {
	var version bool
	root := newGroup(&cobra.Command{
		Use:   "godwit",
		Short: "A realtime server where a channel is a URL",
		Long: `Godwit is a realtime server where a channel is a URL, and tools to speak to it.

Start "godwit serve", then open the page it prints, or read and publish with
WebSocket, Server-Sent Events or plain HTTP at /channels/NAME.`,
		Example: `  godwit serve                      # the server, on http://127.0.0.1:8000
  godwit sub chat                   # in a second terminal: follow a channel
  godwit pub chat 'hello'           # in a third: publish to it`,
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	})
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if version {
			return printVersion(cmd.OutOrStdout())
		}
		return cmd.Help()
	}
	root.Flags().BoolVar(&version, "version", false, "print which build this is (default false)")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServe(), newConfig(), newToken(), newKey(), newAccess(), newExplain(), newCluster(), newEcho(), newPub(), newSub(), newDial(), newExample(), newInspect(), newConform(), newBench(), newPlan(), newHealthcheck(), newVersion())
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.HasSubCommands() && c.RunE == nil { // bench names its workloads itself
			newGroup(c)
		}
		for _, below := range c.Commands() {
			below.SuggestionsMinimumDistance = 2
			if c.Name() == "completion" {
				below.Args = arguments(0, 0)
			}
		}
		c.SuggestionsMinimumDistance = 2
	}
	complete(root)
	return root
}

// arguments is cobra.PositionalArgs with an error that shows the usage line.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("an argument is missing; usage: %s", cmd.UseLine())
		case most >= 0 && len(args) > most:
			return usagef("%q is one argument too many; usage: %s", shown(args[most]), cmd.UseLine())
		}
		return nil
	}
}

// shown is an argument that is not what was expected, for an error: if it is a URL in
// the wrong place, its secrets are not shown.
func shown(arg string) string {
	if strings.Contains(arg, "://") || strings.Contains(arg, "@") {
		return redact.Text(arg)
	}
	return arg
}

var lineEnds = regexp.MustCompile(`\s*[\r\n]+\s*`)

// oneLine makes an error one line, whatever it quotes.
func oneLine(s string) string { return visible(lineEnds.ReplaceAllString(strings.TrimSpace(s), "; ")) }
