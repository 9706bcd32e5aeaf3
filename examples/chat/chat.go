// Package chat is the example "chat": it needs no server of its own.
package chat

import "embed"

// Files are the page.
//
//go:embed index.html screenshot.webp
var Files embed.FS
