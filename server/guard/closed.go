package guard

import (
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport"
)

// isOnlyOpen reports whether a request for path, percent-encoded, can only be about
// channels that are not closed: about those of which its path has the name, or the
// pattern. Any other can ask for a closed one later, as a session does.
func isOnlyOpen(path string) bool {
	name, ok := strings.CutPrefix(path, transport.ChannelsPath)
	if !ok {
		name, ok = strings.CutPrefix(path, transport.PresencePath)
	}
	if ok && strings.IndexByte(name, '%') >= 0 {
		var err error
		name, err = url.PathUnescape(name)
		ok = err == nil
	}
	return ok && !access.IsClosed(name)
}
