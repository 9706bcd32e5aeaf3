// Package feed is what a bridge makes of the messages of its upstream: a state machine without I/O.
//
// A Machine is told what happened and what time it is, and says what is to be done. It sends subscriptions,
// sorts what comes into channels, and sees that no channel goes on in silence after something was lost.
package feed
