// Package policy checks a repository against the rules it has given itself.
//
// Every check is a function from a Tree to its Findings, so that the rules are
// ordinary tests: repo_test.go in the root of the module is the table of them,
// with the reason each one exists. A check knows nothing about this particular
// repository.
package policy
