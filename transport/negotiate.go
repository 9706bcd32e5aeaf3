package transport

import (
	"strconv"
	"strings"
)

// A media type a read can be answered with.
type media uint8

const (
	mediaNone   media = iota
	mediaJSON         // a page, or a long poll
	mediaEvents       // Server-Sent Events
	mediaLines        // newline-delimited JSON
)

// offers are the media types of a read, the preferred one first.
var offers = [...]struct {
	media media
	name  string
}{
	{mediaJSON, "application/json"},
	{mediaEvents, "text/event-stream"},
	{mediaLines, "application/x-ndjson"},
}

func (m media) String() string {
	for _, o := range offers {
		if o.media == m {
			return o.name
		}
	}
	return "none"
}

// How closely a media range names an offer (RFC 9110 §12.5.1).
const (
	matchNone  = iota
	matchAny   // */*
	matchMajor // text/*
	matchExact // text/event-stream
)

// negotiate chooses the media type for the values of the Accept fields of a
// request, mediaNone when it accepts nothing on offer.
//
// For each offer the most specific range that names it decides about its
// quality (RFC 9110 §12.5.1). Between offers the highest quality wins, then the
// one named more specifically, so that "text/event-stream, */*" is what it
// means, then the one named earlier, then the order of offers.
//
// Parameters of a range other than q are ignored: the types offered have none, and
// refusing "application/json; charset=utf-8" would serve nobody. An element that
// cannot be understood is skipped. No Accept, or an empty one, accepts anything.
func negotiate(accept []string) media {
	type quality struct {
		match int // how specific the range was that decided
		q     int // thousandths
		order int // place of that range in the field
	}
	var found [len(offers)]quality

	elements := 0
	for _, value := range accept {
		for element := range splitList(value) {
			elements++
			name, q, ok := parseRange(element)
			if !ok {
				continue
			}
			if isLines(name) {
				name = mediaLines.String()
			}
			for i, offer := range offers {
				if m := matchRange(name, offer.name); m > found[i].match {
					found[i] = quality{match: m, q: q, order: elements}
				}
			}
		}
	}
	if elements == 0 {
		return offers[0].media
	}

	best := -1
	for i, f := range found {
		if f.q == 0 { // matched by nothing, or excluded with q=0
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		b := found[best]
		switch {
		case f.q != b.q:
			if f.q > b.q {
				best = i
			}
		case f.match != b.match:
			if f.match > b.match {
				best = i
			}
		case f.order < b.order:
			best = i
		}
	}
	if best < 0 {
		return mediaNone
	}
	return offers[best].media
}

// isLines reports whether name is one of those in use for lines of JSON, which
// has no registered media type.
func isLines(name string) bool {
	for _, alias := range [...]string{"application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines", "application/x-jsonlines"} {
		if strings.EqualFold(name, alias) {
			return true
		}
	}
	return false
}

// matchRange says how closely the media range names the media type.
func matchRange(mediaRange, name string) int {
	if strings.EqualFold(mediaRange, name) {
		return matchExact
	}
	if mediaRange == "*/*" || mediaRange == "*" { // "*" is sent by old Java clients
		return matchAny
	}
	if major, isMajor := strings.CutSuffix(mediaRange, "/*"); isMajor {
		if offered, _, _ := strings.Cut(name, "/"); strings.EqualFold(major, offered) {
			return matchMajor
		}
	}
	return matchNone
}

// parseRange splits an element of Accept into its media range and its weight in
// thousandths. ok is false when the weight is none.
func parseRange(element string) (name string, q int, ok bool) {
	name, params := cutParameters(element)
	q = 1000
	for param := range params {
		key, value, _ := cutParameter(param)
		if !strings.EqualFold(key, "q") {
			continue
		}
		// RFC 9110 §12.4.2: 0 to 1 with at most three digits. More digits and a
		// missing leading zero are in use and harmless.
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || f > 1 || strings.Trim(value, "0123456789.") != "" {
			return "", 0, false
		}
		q = int(f*1000 + 0.5)
	}
	return name, q, name != ""
}
