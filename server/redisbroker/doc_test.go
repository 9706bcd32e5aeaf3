package redisbroker

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentNamesTests: what docs/broker-redis.md promises is tested, and every fault that is
// tested stands there.
func TestDocumentNamesTests(t *testing.T) {
	text, err := os.ReadFile("../../docs/broker-redis.md")
	if err != nil {
		t.Fatal(err)
	}
	// The permissions that tests give to Redis are those that the page gives to its reader.
	if want := "ACL SETUSER godwit on >PASSWORD " + strings.Join(permissions, " "); !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
		t.Errorf("the page has not %s", want)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all, faults []string
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`).FindAllStringSubmatch(string(source), -1) {
			all = append(all, match[1])
			if file == "faults_test.go" || file == "cluster_test.go" {
				faults = append(faults, match[1])
			}
		}
	}
	var listed []string
	for _, match := range named {
		listed = append(listed, match[1])
		if !slices.Contains(all, match[1]) {
			t.Errorf("there is no %s", match[1])
		}
	}
	for _, name := range faults {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is not in the document", name)
		}
	}
}
