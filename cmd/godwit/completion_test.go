package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/identity"
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
		"pub --server http://127.0.0.1:1 ": "",
		"sub --server http://127.0.0.1:1 ": "",
		"sub --server moon ":               "",
		"pub --token env: ":                "",
		"pub chat --server ":               "",
		"inspect ":                         "",
		"conform server ":                  "",
		"bench echo ":                      "",
		"serve ":                           "",
		"serve --listen ":                  "",
		"sub chat --since ":                "",
		"dial x --header ":                 "",
		"version ":                         "",
		"config explain ":                  "",

		// Files where they belong.
		"serve --config ":        "FILES",
		"config check --config ": "FILES",
		"conform server --html ": "FILES",
		"bench echo --json ":     "FILES",
	} {
		got, directive := offered(t, args)
		switch {
		case want == "FILES" && (len(got) > 0 || directive != ":0"),
			want != "FILES" && (strings.Join(got, " ") != want || directive == ":0"):
			t.Errorf("%q: %q %s, want %s", args, got, directive, want)
		}
	}
}

// offered is what a shell offers for the last word of args, and its directive.
func offered(t *testing.T, args string) (words []string, directive string) {
	t.Helper()
	r := do(t, "", append([]string{"__complete"}, strings.Split(args, " ")...)...)
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	for _, l := range lines[:len(lines)-1] {
		word, _, _ := strings.Cut(l, "\t")
		words = append(words, word)
	}
	return words, lines[len(lines)-1]
}

// The channels of a running server, to a user who may list them.
func TestCompletionOfChannels(t *testing.T) {
	_, open := serve(t)
	_, closed := serve(t, "--config", writeConfig(t, "keys: [{name: back, hash: "+identity.HashKey("gk_hush")+", grants: {manage: ['**']}}]\n"))
	for _, channel := range []string{"chat", "chess", "scores/final"} {
		for url, token := range map[string]string{open: "", closed: " --token gk_hush"} {
			if r := do(t, "", strings.Fields("pub "+channel+" x --server "+url+token)...); r.code != exitOK {
				t.Fatalf("%+v", r)
			}
		}
	}
	for args, want := range map[string]string{
		"sub --server OPEN ":                      "chat chess scores/final",
		"sub --server OPEN ch":                    "chat chess",
		"sub --server OPEN chat ":                 "chess scores/final",
		"pub --server OPEN s":                     "scores/final",
		"pub --server OPEN chat ":                 "",
		"explain --server OPEN --channel c":       "chat chess",
		"sub --server CLOSED ":                    "",
		"sub --server CLOSED --token gk_hush che": "chess",
	} {
		got, directive := offered(t, strings.NewReplacer("OPEN", open, "CLOSED", closed).Replace(args))
		if strings.Join(got, " ") != want || directive == ":0" {
			t.Errorf("%q: %q %s, want %s", args, got, directive, want)
		}
	}
	t.Setenv(serverEnv, open)
	ws := "ws" + strings.TrimPrefix(open, "http")
	for args, want := range map[string]string{
		"dial ":                  ws + "/connect " + ws + "/channels/chat " + ws + "/channels/chess " + ws + "/channels/scores/final",
		"dial " + ws + "/ch":     ws + "/channels/chat " + ws + "/channels/chess " + ws + "/channels/scores/final",
		"dial wss://example.com": "",
		"dial " + ws + " ":       "",
	} {
		if got, _ := offered(t, args); strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %s", args, got, want)
		}
	}
}

// Every offered word is accepted, and no accepted word is missing.
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
