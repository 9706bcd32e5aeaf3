// Command crosscheck checks the types of every package and every test of a module for other platforms.
//
//	go run ./internal/crosscheck darwin/amd64 windows/amd64
//
// The go command would compile whatever the packages import, for each platform, only to see what
// is declared there. That is in the source, so nothing is compiled here, and many platforms are
// checked in less time than it takes to build for one. What only a compiler, an assembler or a linker finds
// is not found.
package main
