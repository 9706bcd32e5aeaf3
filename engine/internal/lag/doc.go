// Package lag measures how far a loop is behind.
package lag
