// Package privateaddr tells addresses of the public internet from all others, for requests to URLs that somebody has configured.
package privateaddr
