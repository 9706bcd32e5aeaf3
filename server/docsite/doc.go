// Package docsite shows the documentation as a site, at /docs/ of a server.
//
// The pages are the Markdown of docs/, which reads the same on a code host: links between
// them, to headings and to source files work in both places. Each is rendered when it is
// first asked for. README.md is the front page, and its sections are the navigation.
// Everything the site needs is embedded, and its Content-Security-Policy lets it load
// nothing from anywhere else.
package docsite
