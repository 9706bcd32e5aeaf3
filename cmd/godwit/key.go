package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make keys for back ends",
		Long: `Key makes keys, with which programs of your own speak to the server: they send one
as "Authorization: Bearer gk_…". The server knows only its hash.`,
		Example: `  godwit key new shop
  godwit key new scores --grant 'publish=scores/**'`,
	}
	cmd.AddCommand(newKeyNew())
	return cmd
}

func newKeyNew() *cobra.Command {
	var grants []string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a key and the lines for the configuration",
		Long: `New makes a key for the back end NAME and prints it, once: it is stored nowhere.
Then it prints what the configuration needs, in which the key cannot be read.

Without --grant the key may publish in every channel and manage every one.`,
		Example: `  godwit key new shop
  godwit key new scores --grant 'publish=scores/**' --grant 'history=scores/**'
  godwit key new shop | sed -n 's/^key: //p' > shop.key`,
		Args: arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if !backendName.MatchString(name) {
				return usagef("%q is not a name; use letters, digits, - and _, 64 at most", name)
			}
			granted, err := parseGrantFlags(grants)
			if err != nil {
				return err
			}
			return printKey(cmd.OutOrStdout(), identity.NewKey(), name, granted)
		},
	}
	cmd.Flags().StringArrayVar(&grants, "grant", nil, "let the key do `ACTION=PATTERN`, for example publish='shop/**'; may be repeated (default publish=** and manage=**)")
	return cmd
}

// parseGrantFlags makes grants of texts such as publish=shop/**.
func parseGrantFlags(texts []string) (access.Grants, error) {
	if len(texts) == 0 {
		texts = []string{"publish=**", "manage=**"}
	}
	patterns := make(map[string][]string)
	for _, text := range texts {
		action, pattern, ok := strings.Cut(text, "=")
		if !ok {
			return access.Grants{}, usagef("--grant: %q is not an action and a pattern; write for example publish='shop/**'", text)
		}
		patterns[action] = append(patterns[action], pattern)
	}
	return grantsOf("--grant", patterns)
}

// grantsOf is access.ParseGrants of what stands in flags.
func grantsOf(flag string, patterns map[string][]string) (access.Grants, error) {
	g, err := access.ParseGrants(patterns)
	if err != nil {
		return g, usagef("%s: %s", flag, strings.TrimPrefix(err.Error(), "access: "))
	}
	return g, nil
}

func printKey(w io.Writer, key, name string, g access.Grants) error {
	_, err := fmt.Fprintf(w, "key: %s\n\nkeys:\n  - name: %s\n    hash: %s\n    grants: %s\n", key, yamlName(name), identity.HashKey(key), yamlGrants(g))
	return err
}

// backendName is what the configuration takes for a name.
var backendName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// plainName is a name that needs no quotes in YAML, unless it is one of yamlWords.
var (
	plainName = regexp.MustCompile(`^[A-Za-z]`)
	yamlWords = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// yamlName is a name as YAML has it, in quotes only where they are needed.
func yamlName(name string) string {
	if plainName.MatchString(name) && !yamlWords.MatchString(name) {
		return name
	}
	return yamlText(name)
}

// yamlText is text in double quotes: JSON, which is YAML.
func yamlText(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // text can be encoded
	return strings.TrimSuffix(b.String(), "\n")
}

func yamlGrants(g access.Grants) string {
	var actions []string
	for _, a := range access.Actions() {
		var patterns []string
		for _, p := range g.Patterns(a) {
			patterns = append(patterns, yamlText(p.String()))
		}
		if patterns != nil {
			actions = append(actions, a.String()+": ["+strings.Join(patterns, ", ")+"]")
		}
	}
	return "{" + strings.Join(actions, ", ") + "}"
}
