// Package clientjs has the client for browsers, as a server gives it to pages.
//
// Its source is TypeScript, in src. The bundles in dist are made of it with esbuild's Go API by a
// test of this package, so that building the program needs no Node:
//
//	go generate ./clients/js
package clientjs

//go:generate go test -count=1 -run "^Test(Bundles|Sizes|ServedTypes)$" . -update
