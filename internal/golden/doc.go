// Package golden compares what tests get with files that are read and committed like code, and writes them
// when a test is run with -update.
package golden
