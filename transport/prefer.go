package transport

import (
	"strconv"
	"strings"
	"time"
)

// preferredWait is the wait=N of the Prefer fields of a request (RFC 7240
// §4.3), at most waitMax. ok is false when there is none.
//
// RFC 7240 §2: a preference given twice counts the first time only, one that
// cannot be understood is ignored, and neither is ever an error.
func preferredWait(prefer []string, waitMax time.Duration) (wait time.Duration, ok bool) {
	for _, value := range prefer {
		for element := range splitList(value) {
			preference, _ := cutParameters(element)
			key, text, _ := cutParameter(preference)
			if !strings.EqualFold(key, "wait") {
				continue
			}
			return parseDeltaSeconds(text, waitMax)
		}
	}
	return 0, false
}

// parseDeltaSeconds parses 1*DIGIT (RFC 9110 §1.2.2 via RFC 7240 §4.3) and caps
// it, so that no number of digits overflows anything.
func parseDeltaSeconds(text string, most time.Duration) (time.Duration, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	mostSeconds := int64(most / time.Second)
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds > mostSeconds { // all digits: the error is one of range
		seconds = mostSeconds
	}
	return time.Duration(seconds) * time.Second, true
}
