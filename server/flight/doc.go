// Package flight records what became of sessions, to say afterwards why one was not given a message.
//
// It is written at turns only: a session opens, a subscription begins, a gap is handed
// out, something is refused, a subscription or a session ends. Nothing is written of a
// delivery. From where a subscription began up to the newest that its edge took, all that
// lies in no gap was given to the connection, but for what was left out on purpose; and
// that is seen on the publication:
//
//	subscribed at 12          gap 15–20           unsubscribed at 31
//	      │ given: 13 … 15 │ lost: 16 … 20 │ given: 21 … 31 │ not subscribed: 32 …
//
// The memory is a ring of a fixed size. What was forgotten is never guessed: answers say
// how far back they know.
package flight
