package server

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Schema is the JSON Schema, draft 2020-12, of configuration files, for editors. It
// is indented and ends with a line end. What it accepts can still be refused, when
// settings do not fit together or a pattern is none; what is valid it accepts.
func Schema() []byte {
	defaults := Config{}.withDefaults()
	schema := objectSchema(settings, &defaults)
	schema[schemaKey] = "https://json-schema.org/draft/2020-12/schema"
	schema["properties"].(object)[schemaKey] = object{"type": "string", "description": "Where this schema is, for editors"}
	schema["title"] = "Configuration of godwit serve"
	b, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("server: the schema of the configuration: %v", err))
	}
	return append(b, '\n')
}

type object = map[string]any

// objectSchema is the schema of a section with the settings of rows. Its defaults
// are what owner has.
func objectSchema(rows []setting, owner any) object {
	top := emptySection()
	for _, s := range rows {
		at := top
		names := strings.Split(s.key, ".")
		for _, name := range names[:len(names)-1] {
			properties := at["properties"].(object)
			if properties[name] == nil {
				properties[name] = emptySection()
			}
			at = properties[name].(object)
		}
		name := names[len(names)-1]
		at["properties"].(object)[name] = s.schema(s.field(owner))
		if s.rule.isNeeded {
			required, _ := at["required"].([]string)
			at["required"] = append(required, name)
		}
	}
	return top
}

// emptySection is a section, which may be nothing: its settings are commented out.
func emptySection() object {
	return object{"type": []string{"object", "null"}, "properties": object{}, "additionalProperties": false}
}

func (s setting) schema(field any) object {
	var schema object
	typ := reflect.TypeOf(field).Elem()
	switch s.kind(field) {
	case kindSections:
		item := objectSchema(s.rule.sections, reflect.New(typ.Elem()).Interface())
		item["type"] = "object"
		if typ.Elem() == reflect.TypeFor[TokenIssuer]() {
			item["oneOf"] = []object{{"required": []string{"secret"}}, {"required": []string{"key"}}, {"required": []string{"jwks"}}}
		}
		schema = object{"type": []string{"array", "null"}, "items": item, "maxItems": listItemsMax}
	case kindGrants:
		schema = grantsSchema()
	case kindList:
		item := s.scalarSchema(reflect.New(typ.Elem()).Interface())
		schema = object{"type": "array", "items": item, "maxItems": listItemsMax}
		if s.rule.mayBeOne {
			schema = object{"anyOf": []object{item, schema}}
		}
	default:
		schema = s.scalarSchema(field)
		if value := defaultValue(field); value != nil {
			schema["default"] = value
		}
	}
	schema["description"] = s.meaning
	return schema
}

func grantsSchema() object {
	properties := object{}
	for _, action := range actionNames() {
		what := "channels"
		if a, err := access.ParseAction(action); err == nil && a.IsOfMethods() {
			what = "methods"
		}
		properties[action] = object{"description": "Patterns of " + what + " with the grant " + action, "type": []string{"array", "null"}, "items": patternSchema(), "maxItems": access.PatternsMax}
	}
	return object{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
}

func patternSchema() object {
	return object{"type": "string", "minLength": 1, "maxLength": access.PatternBytesMax}
}

// durationPattern is what time.ParseDuration takes, but signs.
const durationPattern = `^(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`

func (s setting) scalarSchema(field any) object {
	schema := object{"type": "string"}
	switch field.(type) {
	case *bool, **bool:
		schema["type"] = "boolean"
	case *int, **int:
		schema["type"] = "integer"
	case *float64, **float64:
		schema["type"] = "number"
	case *time.Duration:
		schema["pattern"] = durationPattern
		return schema
	case *access.Pattern:
		return patternSchema()
	case *access.Action:
		schema["enum"] = channelActionNames()
	case *netip.Prefix, *Secret:
		schema["minLength"] = 1
	}
	for name, limit := range map[string]any{"minimum": s.rule.least, "maximum": s.rule.most} {
		if limit != nil {
			schema[name] = limit
		}
	}
	if s.rule.words != nil {
		schema["enum"] = s.rule.words
	}
	if s.rule.pattern != "" {
		schema["pattern"] = s.rule.pattern
	}
	return schema
}

// defaultValue is what stands in a file for the value of field, or nil if there is
// nothing to be said.
func defaultValue(field any) any {
	v := reflect.ValueOf(field).Elem()
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		if value > 0 {
			return writtenDuration(value)
		}
	case bool:
		return value
	case int, float64, string:
		if !v.IsZero() {
			return value
		}
	}
	return nil
}
