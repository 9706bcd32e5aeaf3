// Package fixed serves content that stays the same for as long as the program runs.
package fixed
