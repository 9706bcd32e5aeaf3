// Package hooks asks the application over HTTP, and tells it what happens.
//
// Asking is for what the application decides: whether a client may connect and as which
// user, whether it may subscribe, and whether it may publish what it sends. Each
// question returns at once, and its answer comes to a function, so that an event
// loop can ask. A question without an answer is denied.
//
// Telling is for what the application would like to know: channels that are used or
// are used no more, members who come and go, and sessions. Events are sent in batches, in
// order per channel, and tried again for a while.
//
// Every request is signed as Standard Webhooks 1.0.0 says. No request goes to a
// private address unless that is configured. docs/webhooks.md is the application's
// side of all this.
package hooks
