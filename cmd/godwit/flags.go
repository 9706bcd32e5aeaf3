package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError makes of an error of pflag an error that says what would be right.
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
		name, value := invalid.GetFlag().Name, shown(invalid.GetValue())
		if words := wanted(invalid.GetFlag().Value.Type()); words != "" {
			return usagef("--%s: %q is %s", name, value, words)
		}
		return usagef("--%s: %q cannot be used: %v", name, value, errors.Unwrap(invalid))
	}
	return usagef("%s; %s", err, help)
}

// wanted says what a value of a flag of that type should have been, or nothing.
func wanted(typ string) string {
	switch typ {
	case "bool":
		return "neither true nor false"
	case "int":
		return "not a whole number"
	case "float64":
		return "not a number such as 0.5 or 1000"
	case "duration":
		return "not a duration such as 500ms, 10s or 1h30m"
	case "intSlice":
		return "not a whole number, or several with commas between"
	case "stringSlice":
		return "neither a value nor several with commas between; quotes go around a whole value"
	case "string", "stringArray":
		return "not text"
	case "FILE":
		return "not the name of a file"
	}
	return ""
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
