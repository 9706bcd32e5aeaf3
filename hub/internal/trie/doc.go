// Package trie finds the patterns that match the name of a channel.
package trie
