// Package ratelimit bounds how often something happens, and how many things happen
// at once, for each of many keys.
//
// A Bucket is a limiter in two numbers, small enough to be part of every session. A
// Table has one for each key, such as an address, and Counts says how many a key
// has at the moment. Nothing here waits or starts a goroutine, and what time it is
// is said by the caller.
//
// That should have a monotonic reading, as time.Now returns it: then a clock that is
// set changes nothing. Goroutines need not come in the order in which they read the
// clock. For a limiter time does not go back: it is the latest that any has said.
package ratelimit
