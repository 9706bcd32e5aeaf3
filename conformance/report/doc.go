// Package report writes the outcome of a conformance run for people and for
// programs: as text, HTML, JSON and JUnit XML.
package report
