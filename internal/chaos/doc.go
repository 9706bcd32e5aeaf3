// Package chaos is a test: several nodes and the members of their broker are killed and stopped
// under load, and what every client was given is compared with what publishers were told.
package chaos
