package godwit_test

import (
	"testing"

	"github.com/godwit-io/godwit/internal/policy"
)

// Every class of bug that docs/hazards.md lists has a test, and every test it
// names is there.
func TestHazards(t *testing.T) {
	report(t, policy.NamedTests(load(t), "docs/hazards.md", "a promise without its test is only a sentence"))
}

// Every promise about brokers is held by a test that the page names.
func TestBrokerPromises(t *testing.T) {
	report(t, policy.NamedTestsBelow(load(t), "docs/brokers.md", "## What is promised", "a promise without its test is only a sentence"))
}
