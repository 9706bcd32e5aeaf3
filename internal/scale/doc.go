// Package scale computes what a load takes of nodes and of their broker, from what things
// were measured to cost: the law of docs/scale.md.
package scale
