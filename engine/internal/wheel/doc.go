// Package wheel is the timers of one loop: many, imprecise, and without an object for each.
package wheel
