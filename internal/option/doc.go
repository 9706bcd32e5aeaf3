// Package option says what a number among options means.
package option
