// Package text is the example "collaborative text": it needs no server of its own.
package text

import "embed"

// Files are the page, and Yjs, which merges what is typed: yjs.mjs is its package, as one
// file.
//
//go:embed index.html yjs.mjs screenshot.webp
var Files embed.FS
