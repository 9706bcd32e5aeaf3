package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// The description is valid, and has every operation and no other.
func TestDescription(t *testing.T) {
	doc, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Error("it is not OpenAPI 3.1")
	}
	there := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			there[method+" "+path] = true
			if operation.OperationID == "" || operation.Summary == "" {
				t.Errorf("%s %s has no ID or no summary", method, path)
			}
			for _, status := range []int{400, 401, 403, 404, 405, 429, 503} {
				if operation.Responses.Status(status) == nil {
					t.Errorf("%s %s does not describe %d", method, path, status)
				}
			}
		}
	}
	for _, rt := range routes {
		name := rt.method + " /" + rt.path
		if !there[name] {
			t.Errorf("openapi.json does not describe %s", name)
		}
		delete(there, name)
		known := map[string]bool{}
		for _, p := range doc.Paths.Value("/" + rt.path).GetOperation(rt.method).Parameters {
			if p.Value.In == "query" {
				known[p.Value.Name] = true
			}
		}
		for _, name := range rt.query {
			if !known[name] {
				t.Errorf("openapi.json does not describe the parameter %s of %s", name, rt.path)
			}
			delete(known, name)
		}
		if len(known) > 0 {
			t.Errorf("openapi.json describes parameters of %s that there are not: %v", rt.path, known)
		}
	}
	if len(there) > 0 {
		t.Errorf("openapi.json describes what there is not: %v", there)
	}
	publication := doc.Components.Schemas["Publication"].Value.Properties
	for _, field := range fieldsOfPublication {
		if publication[field] == nil {
			t.Errorf("openapi.json does not describe the field %s", field)
		}
	}
	if len(publication) != len(fieldsOfPublication) {
		t.Errorf("openapi.json describes %d fields of a publication", len(publication))
	}
}

func TestDescriptionIsServed(t *testing.T) {
	f := newFixture(t, nil)
	a := f.do("", "GET", "openapi.json", "").is(200)
	if a.body != string(openapi) || a.header.Get("Content-Type") != "application/json" {
		t.Error("it is not openapi.json")
	}
	f.do("", "GET", "openapi.json", "", "If-None-Match", a.header.Get("ETag")).is(304)
	f.do("", "POST", "openapi.json", "{}").is(405, "method-not-allowed")
}

// The page shows every operation and object, and loads nothing.
func TestPage(t *testing.T) {
	f := newFixture(t, nil)
	response, err := f.http.Client().Get(f.http.URL + DocsPath)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var b strings.Builder
	if err := response.Write(&b); err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	slash, err := f.http.Client().Head(f.http.URL + DocsPath + "/")
	if err != nil || slash.StatusCode != http.StatusOK || slash.Header.Get("ETag") != response.Header.Get("ETag") {
		t.Error("with a slash:", slash, err)
	}
	slash.Body.Close()
	html := b.String()
	for _, rt := range routes {
		if !strings.Contains(html, "</span> /api/v1/"+rt.path+"</code>") {
			t.Errorf("%s is not there", rt.path)
		}
	}
	doc, err := described()
	if err != nil {
		t.Fatal(err)
	}
	for name := range doc.Components.Schemas {
		if !strings.Contains(html, `<section id="`+name+`">`) {
			t.Errorf("%s is not there", name)
		}
	}
	_, rest, _ := strings.Cut(html, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := response.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q does not fit the style", policy)
	}
	for _, loads := range []string{"<script", "<link", "src=", "@import", "url(", "ZgotmplZ"} {
		if strings.Contains(html, loads) {
			t.Errorf("the page has %s", loads)
		}
	}
}
