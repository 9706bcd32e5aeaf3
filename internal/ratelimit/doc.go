// Package ratelimit bounds how often something happens, and how many things happen
// at once, for each of many keys.
//
// A Bucket is a limiter in one number, small enough to be part of every session. A
// Table has one for each key, such as an address, and Counts says how many a key
// has at the moment. Nothing here waits, starts a goroutine or reads a clock.
package ratelimit
