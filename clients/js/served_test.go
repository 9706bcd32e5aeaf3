package clientjs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
)

// The lines of a declaration file that concern other files, and what they are about.
var (
	importLine = regexp.MustCompile(`^import .* from "\./([\w-]+)\.js";$`)
	exportLine = regexp.MustCompile(`^export (?:type )?(\*|\{ (.*) \}) from "\./([\w-]+)\.js";$`)
	ownExport  = regexp.MustCompile(`^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) (\w+)`)
)

// renamed are the names of a module as others call them: two have a class of the name of one
// of index.ts, and the file that is served has them all.
var renamed = map[string][][2]string{
	"channel": {{"Channel", "CoreChannel"}},
	"client":  {{"Channel", "CoreChannel"}, {"Godwit", "Core"}},
}

// servedTypes is what the modules of index.ts declare, as one file: an editor, or Deno, that loads
// the client from a server has no others.
func servedTypes(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\n\n", notice)
	done, exported := map[string]bool{}, []string{}
	var add func(module string, isPublic bool)
	add = func(module string, isPublic bool) {
		if done[module] && !isPublic {
			return
		}
		text, err := os.ReadFile(filepath.Join("dist", module+".d.ts"))
		if err != nil {
			t.Fatal(err)
		}
		var own strings.Builder
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			switch match := exportLine.FindStringSubmatch(line); {
			case importLine.MatchString(line):
				add(importLine.FindStringSubmatch(line)[1], false)
				continue
			case match != nil:
				add(match[3], isPublic && match[1] == "*")
				if isPublic && match[1] != "*" {
					exported = append(exported, strings.Split(match[2], ", ")...)
				}
				continue
			case line == "export {};":
				continue
			}
			if name := ownExport.FindStringSubmatch(line); name != nil && isPublic {
				exported = append(exported, name[1])
			}
			line = strings.TrimPrefix(line, "export ")
			if !strings.HasPrefix(strings.TrimSpace(line), "*") && !strings.HasPrefix(strings.TrimSpace(line), "/*") {
				for _, names := range renamed[module] {
					line = regexp.MustCompile(`\b`+names[0]+`\b`).ReplaceAllString(line, names[1])
				}
			}
			if strings.HasPrefix(line, "class ") || strings.HasPrefix(line, "const ") || strings.HasPrefix(line, "function ") {
				line = "declare " + line
			}
			own.WriteString(line + "\n")
		}
		if !done[module] {
			out.WriteString(own.String())
		}
		done[module] = true
	}
	add("index", true)
	slices.Sort(exported)
	fmt.Fprintf(&out, "export { %s };\n", strings.Join(slices.Compact(exported), ", "))
	return out.Bytes()
}

// TestServedTypes: the declarations that a server gives out are those of the package. TestTypes
// has the compiler look at them.
func TestServedTypes(t *testing.T) {
	const path = "dist/served.d.ts"
	made := servedTypes(t)
	for _, name := range []string{"Godwit", "Channel", "Message", "GodwitOptions", "Roster", "GodwitError", "Handler", "version"} {
		_, list, _ := bytes.Cut(made, []byte("\nexport { "))
		if !regexp.MustCompile(`\b` + name + `\b`).Match(list) {
			t.Errorf("%s is not exported", name)
		}
	}
	golden.Compare(t, path, string(made))
}
