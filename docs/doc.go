// Package docs is the documentation as files, which a program that imports it has inside.
package docs
