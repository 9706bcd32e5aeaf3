package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/transport"
)

// openapi is the description of the API (OpenAPI 3.1). Tests hold the handlers to it.
//
//go:embed openapi.json
var openapi []byte

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle string

// page is what can be read without being anybody: the description, and the same for
// people.
type page struct{ document, docs asset }

// asset is something that does not change while the process lives.
type asset struct {
	contentType, etag, policy string
	content                   []byte
}

func newAsset(contentType, policy string, content []byte) asset {
	sum := sha256.Sum256(content)
	return asset{contentType, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, policy, content}
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		transport.ProblemMethod.Write(w, "this can be read with GET or HEAD")
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Security-Policy", a.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	// The ETag says it all: a time would be that of the build, and lie.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// thePage is the same for every API, and making it is most of what New would do.
var thePage = sync.OnceValue(makePage)

// makePage makes both of the description. What could go wrong was decided when the
// program was built, so it panics.
func makePage() page {
	sum := sha256.Sum256([]byte(pageStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return page{
		document: newAsset(jsonType, "default-src 'none'; frame-ancestors 'none'", openapi),
		docs:     newAsset("text/html; charset=utf-8", policy, render()),
	}
}

// description is what the page shows of an OpenAPI document.
type description struct {
	Info struct {
		Title, Summary, Description string
	}
	Paths      map[string]map[string]*operation
	Components struct {
		Schemas map[string]*schema
	}
}

type operation struct {
	Method, Path         string `json:"-"`
	OperationID          string `json:"operationId"`
	Summary, Description string
	Parameters           []struct {
		Name, In, Description string
		Required              bool
		Schema                *schema
	}
	RequestBody *content `json:"requestBody"`
	Responses   map[string]*content
}

type content struct {
	Description string
	Content     map[string]struct{ Schema *schema }
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        string
	Description string
	Format      string
	Enum        []string
	Required    []string
	Properties  map[string]*schema
	Items       *schema
	OneOf       []*schema `json:"oneOf"`
}

// Name is that of a schema that is described elsewhere, "" for one in place.
func (s *schema) Name() string { return strings.TrimPrefix(s.Ref, "#/components/schemas/") }

// Words say what a value is.
func (s *schema) Words() string {
	switch {
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Format != "":
		return s.Type + ", " + s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}

// Requires reports whether an object has to have a field.
func (s *schema) Requires(field string) bool { return slices.Contains(s.Required, field) }

func render() []byte {
	var d description
	if err := json.Unmarshal(openapi, &d); err != nil {
		panic(fmt.Sprintf("api: openapi.json: %v", err))
	}
	var operations []*operation
	for _, rt := range routes {
		o := d.Paths["/"+rt.path][strings.ToLower(rt.method)]
		if o == nil {
			panic(fmt.Sprintf("api: openapi.json does not describe %s %s", rt.method, rt.path))
		}
		o.Method, o.Path = rt.method, Prefix+rt.path
		operations = append(operations, o)
	}
	var b bytes.Buffer
	err := template.Must(template.New("page").Parse(pageTemplate)).Execute(&b, map[string]any{
		"Info": d.Info, "Operations": operations, "Schemas": d.Components.Schemas,
		"Names": slices.Sorted(maps.Keys(d.Components.Schemas)), "Style": template.CSS(pageStyle), "Document": Prefix + "openapi.json",
	})
	if err != nil {
		panic(fmt.Sprintf("api: page.html: %v", err))
	}
	return b.Bytes()
}
