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
	"github.com/spf13/pflag"

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
	root := &cobra.Command{
		Use:   "godwit",
		Short: "A realtime server where a channel is a URL",
		Long: `Godwit is a realtime server where a channel is a URL, and tools to speak to it.

Start "godwit serve", then open the page it prints, or read and publish with
WebSocket, Server-Sent Events or plain HTTP at /channels/NAME.`,
		Example: `  godwit serve                      # the server, on http://127.0.0.1:8000
  godwit sub chat                   # in a second terminal: follow a channel
  godwit pub chat 'hello'           # in a third: publish to it`,
		// With a Run, an unknown command arrives in Args, where the error is ours.
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	root.Args = unknownCommand(root)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServe(), newEcho(), newPub(), newSub(), newDial(), newInspect(), newConform(), newBench(), newVersion())
	return root
}

func unknownCommand(root *cobra.Command) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := `"godwit --help" lists them all`
		if near := root.SuggestionsFor(args[0]); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return usagef("there is no command %q; %s", args[0], hint)
	}
}

// flagError makes an error of pflag one that says what would be right.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	help := fmt.Sprintf("%q lists the flags", cmd.CommandPath()+" --help")
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if shorts := unknown.GetSpecifiedShortnames(); shorts != "" {
			return usagef("there is no flag -%s; %s", name, help)
		}
		if near := nearestFlag(cmd, name); near != "" {
			return usagef("there is no flag --%s; did you mean --%s?", name, near)
		}
		return usagef("there is no flag --%s; %s", name, help)
	case errors.As(err, &missing):
		return usagef("--%s needs a value; %s", missing.GetFlag().Name, help)
	case errors.As(err, &invalid):
		wanted := "true or false"
		switch invalid.GetFlag().Value.Type() {
		case "int":
			wanted = "a whole number"
		case "duration":
			wanted = "a duration such as 500ms, 10s or 1h30m"
		case "FILE":
			wanted = "the name of a file"
		}
		return usagef("--%s: %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), wanted)
	}
	return usagef("%s; %s", err, help)
}

// nearestFlag is the flag that name is probably a misspelling of, or nothing.
func nearestFlag(cmd *cobra.Command, name string) string {
	flags := new(cobra.Command) // knows how to suggest, for commands
	flags.SuggestionsMinimumDistance = 2
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	if near := flags.SuggestionsFor(name); len(near) > 0 {
		return near[0]
	}
	return ""
}

// arguments is cobra.PositionalArgs with an error that shows the usage line.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("an argument is missing; usage: %s", cmd.UseLine())
		case most >= 0 && len(args) > most:
			return usagef("%q is one argument too many; usage: %s", args[most], cmd.UseLine())
		}
		return nil
	}
}

var lineEnds = regexp.MustCompile(`\s*[\r\n]+\s*`)

// oneLine makes an error one line, whatever it quotes.
func oneLine(s string) string { return visible(lineEnds.ReplaceAllString(strings.TrimSpace(s), "; ")) }
