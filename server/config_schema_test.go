package server

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // so that the schema has to say which draft it is
	if err := c.AddResource("godwit.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("godwit.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if schema.DraftVersion != 2020 {
		t.Errorf("the schema is of draft %d", schema.DraftVersion)
	}
	return schema
}

// judge validates a file, which is YAML.
func judge(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if instance == nil {
		return nil // a file with nothing in it
	}
	return schema.Validate(instance)
}

// structural are the errors that a schema can know.
var structural = regexp.MustCompile(`there is no such|: want |is needed: the pattern|one of secret, key and jwks|exclude each other|has no unit|is out of range; use [0-9.]+ to [0-9.]+$|is not one of|it is empty; write env|on a line of its own below`)

// notJSON are the files that the conversion to JSON does not get right: with aliases,
// tags, and texts with a colon in braces.
var notJSON = regexp.MustCompile(`(?m) [*][a-z]+$| !!|\{listen: \[127`)

// Files that load are valid, and most that do not are not: what every other test
// loads is tried.
func TestSchemaAgreesWithLoad(t *testing.T) {
	schema := compileSchema(t)
	valid, invalid := 0, 0
	forCases(t, "testdata/*/*.txt", func(c testCase) string {
		result := strings.TrimSuffix(c.result, "\n")
		if c.path == "" || strings.HasPrefix(result, "error:") && !strings.Contains(result, "godwit.yaml:") {
			return result
		}
		_, err := Load(c.path, nil, nil)
		isYAML := err == nil || structural.MatchString(err.Error())
		if !isYAML {
			return result
		}
		if notJSON.MatchString(c.text) {
			return result
		}
		wrong := judge(t, schema, c.text)
		switch {
		case err == nil && wrong != nil:
			t.Errorf("the schema refuses what loads:\n%s%v", c.text, wrong)
		case err != nil && wrong == nil:
			t.Errorf("the schema accepts what does not load: %v\n%s", err, c.text)
		case err == nil:
			valid++
		default:
			invalid++
		}
		return result
	})
	if valid < 30 || invalid < 30 {
		t.Errorf("only %d valid and %d invalid files were tried", valid, invalid)
	}
}

// The examples of the documentation are valid, and load.
func TestSchemaAcceptsTheExamples(t *testing.T) {
	schema := compileSchema(t)
	examples := 0
	for _, page := range []string{"../docs/configuration.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```yaml\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			examples++
			if err := judge(t, schema, block); err != nil {
				t.Errorf("%s: %v\n%s", page, err, block)
			}
			l := newLoader()
			l.file("example", []byte(block))
			if l.finish(); len(l.errs) > 0 {
				t.Errorf("%s: %v", page, l.errs)
			}
		}
	}
	if examples < 3 {
		t.Errorf("only %d examples were found", examples)
	}
}

// A typing error in any key, at any depth, is refused.
func TestSchemaRefusesTypingErrors(t *testing.T) {
	schema := compileSchema(t)
	tried := 0
	var try func(rows []setting, wrap func(any) any, prefix string)
	try = func(rows []setting, wrap func(any) any, prefix string) {
		for _, s := range rows {
			names := strings.Split(s.key, ".")
			for i := range names {
				misspelt := slices.Clone(names)
				misspelt[i] += "x"
				var value any = map[string]any{}
				for _, name := range slices.Backward(misspelt) {
					value = map[string]any{name: value}
				}
				tried++
				if err := schema.Validate(wrap(value)); err == nil || !strings.Contains(err.Error(), misspelt[i]) {
					t.Errorf("%s%s: %v", prefix, strings.Join(misspelt, "."), err)
				}
			}
			if s.rule.sections != nil {
				try(s.rule.sections, func(v any) any {
					var value any = []any{v}
					for _, name := range slices.Backward(names) {
						value = map[string]any{name: value}
					}
					return wrap(value)
				}, s.key+"[0].")
			}
		}
	}
	try(settings, func(v any) any { return v }, "")
	if tried < 100 {
		t.Errorf("only %d keys were tried", tried)
	}
}

// Every setting has a description, and every default in the schema is valid there.
func TestSchemaIsComplete(t *testing.T) {
	schema := compileSchema(t)
	var document map[string]any
	if err := json.Unmarshal(Schema(), &document); err != nil {
		t.Fatal(err)
	}
	defaults := 0
	var walk func(node map[string]any, path []string)
	walk = func(node map[string]any, path []string) {
		properties, isSection := node["properties"].(map[string]any)
		if !isSection {
			if node["description"] == nil {
				t.Errorf("%v has no description", path)
			}
			if value, ok := node["default"]; ok {
				defaults++
				for _, name := range slices.Backward(path) {
					value = map[string]any{name: value}
				}
				if err := schema.Validate(value); err != nil {
					t.Errorf("the default of %v: %v", path, err)
				}
			}
			return
		}
		for name, below := range properties {
			walk(below.(map[string]any), append(slices.Clone(path), name))
		}
	}
	walk(document, nil)
	if defaults < 20 {
		t.Errorf("only %d defaults", defaults)
	}
}
