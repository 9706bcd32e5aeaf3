package transport

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/hub"
)

// query holds the parameters of a read.
type query struct {
	since    hub.Position // zero: not given
	vector   *hub.Vector  // since, of a pattern; nil: not given
	pattern  bool         // it is a pattern that is read
	last     int          // -1: not given
	limit    int          // 0: not given
	self     bool         // deliver what the same WebSocket published; default true
	envelope bool         // JSON envelopes on a WebSocket; default false
	json     bool         // text messages of a WebSocket are published as JSON; default false

	lastEventID string // of an EventSource that cannot set a field; "" if not given
}

// positionFault is a fault of ?since, which has its own problem type.
type positionFault string

func (f positionFault) Error() string { return string(f) }

// parseQuery reads the parameters of a read. Every error says which parameter
// is wrong and what would be right. Parameters of other names are somebody
// else's, and may be anything.
func parseQuery(raw string) (query, error) { return parseQueryOf("", raw) }

// parseQueryOf is parseQuery for a read of channel, which may be a pattern.
func parseQueryOf(channel, raw string) (query, error) {
	q := query{last: -1, self: true, pattern: hub.IsPattern(channel)}
	seen := make(map[string]int)
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !isParameter(name) {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return q, fmt.Errorf("the value of %s cannot be decoded: %v; percent-encode it", name, err)
		}
		if seen[name]++; seen[name] > 1 {
			return q, fmt.Errorf("%s is given %d times; give it once", name, strings.Count("&"+raw, "&"+name+"="))
		}
		if err := q.set(name, value); err != nil {
			return q, err
		}
	}
	if (!q.since.IsZero() || q.vector != nil) && q.last >= 0 {
		return q, errors.New("since and last exclude each other: give since to continue from a position, last to begin with the newest publications")
	}
	return q, nil
}

func isParameter(name string) bool {
	switch name {
	case "since", "last", "limit", "self", "envelope", "json":
		return true
	}
	return isLastEventID(name)
}

// isLastEventID reports whether name is one under which clients that cannot set a
// field give the last event ID: polyfills of EventSource, and Mercure.
func isLastEventID(name string) bool {
	return name == "lastEventId" || name == "lastEventID" || name == "Last-Event-ID"
}

// set parses the value of one known parameter.
func (q *query) set(name, value string) (err error) {
	switch name {
	case "since":
		if q.pattern {
			return q.setVector(value)
		}
		var position *hub.PositionError
		if q.since, err = hub.ParsePosition(value); errors.As(err, &position) {
			return positionFault("since=" + quote(value) + ": " + position.Problem +
				"; take a position as the server gave it, EPOCH:OFFSET, from an id, an envelope or a page")
		}
	case "last":
		q.last, err = parseCount(name, value, 0)
	case "limit":
		q.limit, err = parseCount(name, value, 1)
	case "self":
		q.self, err = parseSwitch(name, value)
	case "envelope":
		q.envelope, err = parseSwitch(name, value)
	case "json":
		q.json, err = parseSwitch(name, value)
	default:
		q.lastEventID = value
	}
	return err
}

// setVector parses since of a pattern.
func (q *query) setVector(value string) (err error) {
	if q.vector, err = hub.ParseVector(value); err != nil {
		return positionFault("since=" + quote(value) + ": " + vectorProblem(err) +
			"; what continues a pattern is a vector as the server gave it, from an id, the header " + headerPosition + ` or {"vector":…}`)
	}
	return nil
}

// vectorProblem is an error of hub.ParseVector without what it is about.
func vectorProblem(err error) string {
	var fault *hub.VectorError
	if errors.As(err, &fault) {
		return fault.Problem
	}
	return detail(err)
}

// countMax bounds last and limit; histories and pages are bounded far below.
const countMax = 1_000_000_000

func parseCount(name, value string, least int) (int, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > countMax:
		return 0, fmt.Errorf("%s=%s is too large; at most %d", name, quote(value), countMax)
	case err != nil || int(n) < least:
		return 0, fmt.Errorf("%s=%s is not a count; give a whole number, at least %d", name, quote(value), least)
	}
	return int(n), nil
}

func parseSwitch(name, value string) (bool, error) {
	switch value {
	case "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, fmt.Errorf("%s=%s is neither 0 nor 1", name, quote(value))
}

// quote makes text of the peer fit for a detail: quoted, and cut when long.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

// parameters are the values of one parameter, in order.
func parameters(raw, want string) (values []string, err error) {
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(part, "=")
		if name, err := url.QueryUnescape(name); err != nil || name != want {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, fmt.Errorf("the value of %s cannot be decoded: %v; percent-encode it", want, err)
		}
		values = append(values, value)
	}
	return values, nil
}
