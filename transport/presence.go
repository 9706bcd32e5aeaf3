package transport

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/godwit-io/godwit/hub"
)

// parsePresenceQuery reads the parameters of a request for presence. Every error says
// which parameter is wrong and what would be right. Parameters of other names are
// somebody else's, and may be anything.
func parsePresenceQuery(raw string) (q hub.PresenceQuery, err error) {
	var seen [4]bool
	names := [...]string{"limit", "cursor", "by", "count"}
	for part := range strings.SplitSeq(raw, "&") {
		escaped, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(escaped)
		if err != nil {
			continue
		}
		for i := range names {
			if name != names[i] {
				continue
			}
			if seen[i] {
				return q, errors.New(name + " is given more than once; give it once")
			}
			seen[i] = true
			if value, err = url.QueryUnescape(value); err != nil {
				return q, fmt.Errorf("the value of %s cannot be decoded: %v; percent-encode it", name, err)
			}
			if err := setPresence(&q, name, value); err != nil {
				return q, err
			}
		}
	}
	if q.CountOnly && (q.Limit != 0 || q.After != "") {
		return q, errors.New("count=1 has no list: leave out limit and cursor")
	}
	return q, nil
}

// setPresence parses the value of one known parameter.
func setPresence(q *hub.PresenceQuery, name, value string) (err error) {
	switch name {
	case "limit":
		if q.Limit, err = parseCount(name, value, 1); err == nil && q.Limit > hub.MembersMax {
			err = fmt.Errorf("limit=%s is too large; at most %d, and the cursor of the answer gives the next page", quote(value), hub.MembersMax)
		}
	case "cursor":
		q.After = strings.Clone(value)
		if value == "" {
			err = errors.New("cursor is empty; give back what the page before said, or leave it out for the first page")
		}
	case "by":
		if q.ByUser = value == "user"; !q.ByUser && value != "session" {
			err = fmt.Errorf("by=%s is neither user nor session", quote(value))
		}
	case "count":
		q.CountOnly, err = parseSwitch(name, value)
	}
	return err
}
