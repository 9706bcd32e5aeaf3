// Package shrinkmap is a map that gives memory back when it empties.
package shrinkmap
