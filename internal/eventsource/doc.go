// Package eventsource interprets a stream of Server-Sent Events as an EventSource does, for tests.
//
// It is written from the standard and shares nothing with what encodes events.
package eventsource
