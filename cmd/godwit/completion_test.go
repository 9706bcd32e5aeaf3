package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-io/godwit/server"
)

// eachFlag visits the flags of every command.
func eachFlag(visit func(cmd *cobra.Command, f *pflag.Flag)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { visit(cmd, f) })
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot())
}

// An error about a flag's value says what would be right, for every flag there is.
func TestFlagTypes(t *testing.T) {
	t.Parallel()
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) {
		if _, own := f.Value.(*settingFlag); own {
			return // package server says it
		}
		if wanted(f.Value.Type()) == "" {
			t.Errorf("%s --%s: there are no words for a %s", cmd.CommandPath(), f.Name, f.Value.Type())
		}
	})
}

// What a shell offers for each flag and argument.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                          "access bench cluster completion config conform dial echo example explain healthcheck help inspect key plan pub serve sub token version",
		"se":                        "serve",
		"help ":                     "access bench cluster completion config conform dial echo example explain healthcheck help inspect key plan pub serve sub token version",
		"help conform ":             "client server",
		"conform ":                  "client server",
		"echo --driver ":            "engine goroutine",
		"echo --driver=":            "engine goroutine",
		"serve --driver ":           "engine goroutine",
		"serve --log-level ":        "debug info warn error",
		"serve --log-level w":       "warn",
		"serve --log-format ":       "text json",
		"serve --demo=":             "true false",
		"bench echo --find ":        "connections rate",
		"bench fanout --find ":      "connections rate",
		"bench handshakes --find ":  "rate",
		"pub chat --content-type ":  "text/plain text/html application/json application/octet-stream",
		"conform server --only clo": "close",
		"conform client --skip ut":  "utf8",
		"config ":                   "check explain print schema",
		"completion ":               "bash fish powershell zsh",

		// Nothing is better than the files of this folder.
		"pub ":               "",
		"sub ":               "",
		"pub chat --server ": "",
		"dial ":              "",
		"inspect ":           "",
		"conform server ":    "",
		"bench echo ":        "",
		"serve ":             "",
		"serve --listen ":    "",
		"sub chat --since ":  "",
		"dial x --header ":   "",
		"version ":           "",
		"config explain ":    "",

		// Files where they belong.
		"serve --config ":        "FILES",
		"config check --config ": "FILES",
		"conform server --html ": "FILES",
		"bench echo --json ":     "FILES",
	} {
		line := strings.Split(args, " ")
		r := do(t, "", append([]string{"__complete"}, line...)...)
		lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
		directive := lines[len(lines)-1]
		var got []string
		for _, l := range lines[:len(lines)-1] {
			value, _, _ := strings.Cut(l, "\t")
			got = append(got, value)
		}
		switch {
		case want == "FILES" && (len(got) > 0 || directive != ":0"),
			want != "FILES" && (strings.Join(got, " ") != want || directive == ":0"):
			t.Errorf("%q: %q %s, want %s", args, got, directive, want)
		}
	}
}

// What is offered is accepted, and nothing that is accepted is missing.
func TestCompletionOffersWhatIsAccepted(t *testing.T) {
	t.Parallel()
	for key, flag := range map[string]string{"driver": "driver", "log.level": "log-level", "log.format": "log-format"} {
		offered := flagValues["godwit serve --"+flag]
		for _, value := range offered {
			if _, err := server.Load("", nil, []server.Override{{Key: key, Value: value, Source: "--" + flag}}); err != nil {
				t.Errorf("--%s: %v", flag, err)
			}
		}
		_, err := server.Load("", nil, []server.Override{{Key: key, Value: "none", Source: "--" + flag}})
		if err == nil || !strings.HasSuffix(err.Error(), "is not one of "+strings.Join(offered, ", ")) {
			t.Errorf("--%s: %v, and offered is %q", flag, err, offered)
		}
	}
	// A flag that is renamed takes its values along.
	var flags []string
	eachFlag(func(cmd *cobra.Command, f *pflag.Flag) { flags = append(flags, cmd.CommandPath()+" --"+f.Name) })
	for name := range flagValues {
		if !slices.Contains(flags, name) {
			t.Errorf("there is no flag %s", name)
		}
	}
}
