// Package firstn keeps the first of many, by name.
package firstn
