// Package standstill stops another process in the middle of what it does, for tests, as
// SIGSTOP does: its connections stay, and it answers nothing.
package standstill
