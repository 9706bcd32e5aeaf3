// Package reconnect says how long clients wait before they come back, so that a full
// house that has lost its server at one moment returns over a window.
//
// A delay is given to each client while it is connected, because a server that is
// killed says nothing any more:
//
//	sessions       window                       delay of a client
//	    100        2 s  (WindowMin)             1 to  3 s
//	 19,000       19 s  (1000 in a second)      1 to 20 s
//	500,000       60 s  (WindowMax)             1 to 61 s
//
// Nothing here reads a clock or draws a number: both are arguments.
package reconnect
