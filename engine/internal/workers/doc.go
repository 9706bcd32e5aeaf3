// Package workers is the goroutines on which calls run that may block.
package workers
