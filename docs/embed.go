package docs

import "embed"

// Files are the pages, Markdown in UTF-8: those of this folder and those of decisions/.
// README.md of each is its front page.
//
//go:embed *.md decisions/*.md
var Files embed.FS
